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
    /// May change at any time: what was learned by the old ones is forgotten.
    public var limits: Limits {
        didSet { if limits != oldValue { (window, belowSince, returned, calms) = ([], nil, nil, [:]) } }
    }
    /// How much is given up now.
    public private(set) var level = DetailLevel.full
    /// So many steps were taken, to less and to more.
    public private(set) var steps: UInt64 = 0

    /// The newest measurements since the last step, the oldest first.
    private var window: [Measurement] = []
    private struct Measurement {
        let share: Double
        let isBeyond: Bool
    }
    private var belowSince: Nanoseconds?
    /// When the last step to more was taken.
    private var returned: Nanoseconds?
    /// Well below both limits for so long, ns: a step to more; by the level that is left, where it is longer than the shortest.
    private var calms: [DetailLevel: Nanoseconds] = [:]
    /// So many measurements, one a second, are one picture of what it takes.
    static let span = 5
    /// So many of them must be beyond a limit, each with the one before: a burst is not worth a step, and what is done every
    /// other second is no burst.
    private static let most = 4
    /// Much longer than a picture, so that it does not swing.
    static let shortestCalm: Nanoseconds = 60_000_000_000
    /// What was taken back in vain is not taken back as soon as before, ns.
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
        let (share, memory) = (share ?? 0, bytes ?? 0)
        let smooth = (share + (window.last?.share ?? share)) / 2
        if window.count == Self.span { window.removeFirst() }
        window.append(Measurement(share: share, isBeyond: smooth > limits.share || memory > limits.bytes))
        guard window.count == Self.span else { return nil }
        let mean = window.reduce(0) { $0 + $1.share } / Double(Self.span)
        let isBeyond = mean > limits.share || memory > limits.bytes
        if isBeyond, window.count(where: \.isBeyond) >= Self.most, let less = level.less {
            return stepDown(to: less, mean, bytes, at: now)
        }
        let isWellBelow =
            mean < Self.wellBelow * limits.share && Double(memory) < Self.wellBelow * Double(limits.bytes)
        belowSince = isWellBelow ? belowSince ?? now : nil
        if let since = belowSince, now - since >= calm, let more = level.more {
            return stepUp(to: more, mean, bytes, at: now)
        }
        return nil
    }

    /// At this level.
    private var calm: Nanoseconds { calms[level] ?? Self.shortestCalm }

    /// Soon after a step to more, that one was in vain: the next one has to wait for twice as long.
    private mutating func stepDown(
        to less: DetailLevel, _ share: Double, _ bytes: Int64?, at now: Nanoseconds
    ) -> String {
        (level, steps) = (less, steps + 1)
        if let returned { calms[less] = now - returned <= calm ? min(2 * calm, Self.longestCalm) : nil }
        (window, belowSince, returned) = ([], nil, nil)
        return "\(words(share, bytes)), and the limits are \(words(limits.share, limits.bytes)): \(less.meaning)"
    }

    private mutating func stepUp(
        to more: DetailLevel, _ share: Double, _ bytes: Int64?, at now: Nanoseconds
    ) -> String {
        let (back, waited) = (level, calm)
        (window, belowSince, returned) = ([], nil, now)
        (level, steps) = (more, steps + 1)
        return "\(words(share, bytes)) for \(Quantity.duration(waited)): again as before \"\(back.meaning)\""
    }

    private func words(_ share: Double, _ bytes: Int64?) -> String {
        let tenths = Int((share * 1000).rounded())
        return "\(tenths / 10).\(tenths % 10) % of a core and \(bytes.map(Quantity.size) ?? "-")"
    }
}
