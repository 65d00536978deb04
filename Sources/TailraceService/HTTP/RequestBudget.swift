// SPDX-License-Identifier: MIT
import TailraceModel

/// How often something may be asked: so many a second, and as many at once after a silence.
struct RequestBudget {
    private let perSecond: Int64
    /// Of a request, in billionths: exact for any clock.
    private var left: Int64
    private var last: Nanoseconds

    init(perSecond: Int, at now: Nanoseconds) {
        self.perSecond = Int64(perSecond)
        left = self.perSecond * 1_000_000_000
        last = now
    }

    /// false: too often.
    mutating func take(at now: Nanoseconds) -> Bool {
        let passed = min(max(0, now - last), 1_000_000_000)
        last = max(last, now)
        left = min(left + passed * perSecond, perSecond * 1_000_000_000)
        guard left >= 1_000_000_000 else { return false }
        left -= 1_000_000_000
        return true
    }
}
