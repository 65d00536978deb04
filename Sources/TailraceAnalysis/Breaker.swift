// SPDX-License-Identifier: MIT
import TailraceModel

/// Gives up detail where the daemon takes more than it may, one step at a time, and takes it back when there is room again.
/// Pure: what it takes is told, with the time.
public struct Breaker: Sendable {
    /// What is allowed.
    public struct Limits: Sendable, Equatable {
        /// Processor time, of one core, all threads.
        public var share: Double
        /// Resident memory, bytes.
        public var bytes: Int64

        /// Both.
        public init(share: Double, bytes: Int64) { (self.share, self.bytes) = (share, bytes) }
    }
    /// May change at any time.
    public var limits: Limits
    /// How much is given up now.
    public private(set) var level = DetailLevel.full
    /// So many steps were taken, to less and to more.
    public private(set) var steps: UInt64 = 0

    /// The newest measurements since the last step, the oldest first.
    private var window: [(share: Double, isBeyond: Bool)] = []
    private var belowSince: Nanoseconds?
    /// When the last step to more was taken.
    private var returned: Nanoseconds?
    /// Well below both limits for so long, ns: a step to more.
    private var calm = Breaker.shortestCalm
    /// So many measurements, one a second, are one picture of what it takes.
    static let span = 5
    /// So many of them must be beyond a limit: a burst is not worth a step.
    private static let most = 3
    /// Much longer than a picture, so that it does not swing.
    static let shortestCalm: Nanoseconds = 60_000_000_000
    /// What it gave up in vain it does not take back as soon as before, ns.
    static let longestCalm: Nanoseconds = 3_600_000_000_000
    /// What well below is.
    static let wellBelow = 0.7

    /// Nothing given up yet.
    public init(limits: Limits) { self.limits = limits }

    /// A measurement, one a second.
    ///
    /// - Parameters:
    ///   - share: processor time since the last one, of one core; nil: not known.
    ///   - bytes: resident memory; nil: not known.
    ///   - now: the time.
    /// - Returns: the sentence to say where a step was taken; nil: none was.
    public mutating func take(share: Double?, bytes: Int64?, at now: Nanoseconds) -> String? {
        let bytesNow = bytes ?? 0
        if window.count == Self.span { window.removeFirst() }
        window.append((share ?? 0, (share ?? 0) > limits.share || bytesNow > limits.bytes))
        guard window.count == Self.span else { return nil }
        let mean = window.reduce(0) { $0 + $1.share } / Double(Self.span)
        let isBeyond = mean > limits.share || bytesNow > limits.bytes
        if isBeyond, window.count(where: \.isBeyond) >= Self.most, let less = level.less {
            return stepDown(to: less, mean, bytes, at: now)
        }
        let isWellBelow =
            mean < Self.wellBelow * limits.share && Double(bytesNow) < Self.wellBelow * Double(limits.bytes)
        belowSince = isWellBelow ? belowSince ?? now : nil
        if let since = belowSince, now - since >= calm, let more = level.more {
            return stepUp(to: more, mean, bytes, at: now)
        }
        return nil
    }

    /// Soon after a step to more, that one was in vain: the next one has to wait for twice as long.
    private mutating func stepDown(
        to less: DetailLevel, _ share: Double, _ bytes: Int64?, at now: Nanoseconds
    ) -> String {
        if let returned {
            calm = now - returned <= calm ? min(2 * calm, Self.longestCalm) : Self.shortestCalm
        }
        (window, belowSince, returned) = ([], nil, nil)
        (level, steps) = (less, steps + 1)
        return "\(words(share, bytes)), and the limits are \(words(limits.share, limits.bytes)): \(less.meaning)"
    }

    private mutating func stepUp(to more: DetailLevel, _ share: Double, _ bytes: Int64?, at now: Nanoseconds) -> String
    {
        let back = level
        (window, belowSince, returned) = ([], nil, now)
        (level, steps) = (more, steps + 1)
        return "\(words(share, bytes)) for \(Quantity.duration(calm)): again as before \"\(back.meaning)\""
    }

    private func words(_ share: Double?, _ bytes: Int64?) -> String {
        let share = share.map { "\(Int(($0 * 1000).rounded()) / 10).\(Int(($0 * 1000).rounded()) % 10) %" } ?? "-"
        return "\(share) of a core and \(bytes.map(Quantity.size) ?? "-")"
    }
}
