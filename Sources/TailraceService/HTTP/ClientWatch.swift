// SPDX-License-Identifier: MIT
import TailraceModel

/// How long a client may keep others from its place.
struct ClientWatch {
    enum Verdict: Equatable {
        /// To be asked again then; nil: nothing is expected of it.
        case fine(until: Nanoseconds?)
        /// No whole head in time.
        case silent
        /// It takes nothing of what waits for it.
        case stalled
    }

    private let idle: Nanoseconds
    private let stalled: Nanoseconds
    private var listens: Nanoseconds?
    private var taken: Nanoseconds = 0
    /// Pieces that its socket has not taken.
    private(set) var pieces = 0

    /// `isBrief`: its place is one that others wait for.
    init(limits: ServiceLimits, isBrief: Bool = false) {
        (idle, stalled) = (isBrief ? min(limits.firstRest, limits.idle) : limits.idle, limits.stalled)
    }

    /// It is its turn to send a head.
    mutating func listen(at now: Nanoseconds) { listens = now }

    /// Its head is there.
    mutating func heard() { listens = nil }

    mutating func wrote(at now: Nanoseconds) {
        if pieces == 0 { taken = now }
        pieces += 1
    }

    mutating func wasTaken(at now: Nanoseconds) {
        pieces -= 1
        taken = now
    }

    func verdict(at now: Nanoseconds) -> Verdict {
        if let listens, now >= listens + idle { return .silent }
        if pieces > 0, now >= taken + stalled { return .stalled }
        return .fine(until: [listens.map { $0 + idle }, pieces > 0 ? taken + stalled : nil].compactMap(\.self).min())
    }
}
