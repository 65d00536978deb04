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

    private var beyondSince: Nanoseconds?
    private var belowSince: Nanoseconds?
    /// Beyond a limit for so long, ns: a step to less. A burst is not worth one.
    static let patience: Nanoseconds = 5_000_000_000
    /// Well below both for so long, ns: a step to more. Much longer, so that it does not swing.
    static let calm: Nanoseconds = 60_000_000_000
    /// What well below is.
    static let wellBelow = 0.7

    /// Nothing given up yet.
    public init(limits: Limits) { self.limits = limits }

    /// A measurement.
    ///
    /// - Parameters:
    ///   - share: processor time since the last one, of one core; nil: not known.
    ///   - bytes: resident memory; nil: not known.
    ///   - now: the time.
    /// - Returns: the sentence to say where a step was taken; nil: none was.
    public mutating func take(share: Double?, bytes: Int64?, at now: Nanoseconds) -> String? {
        let isBeyond = (share ?? 0) > limits.share || (bytes ?? 0) > limits.bytes
        let isWellBelow =
            (share ?? 0) < Self.wellBelow * limits.share
            && Double(bytes ?? 0) < Self.wellBelow * Double(limits.bytes)
        beyondSince = isBeyond ? beyondSince ?? now : nil
        belowSince = isWellBelow ? belowSince ?? now : nil
        if let since = beyondSince, now - since >= Self.patience, let less = level.less {
            (beyondSince, level, steps) = (now, less, steps + 1)
            return "\(words(share, bytes)), and the limits are \(words(limits.share, limits.bytes)): \(less.meaning)"
        }
        if let since = belowSince, now - since >= Self.calm, let more = level.more {
            let back = level
            (belowSince, level, steps) = (now, more, steps + 1)
            return "\(words(share, bytes)) for a minute: again as before \"\(back.meaning)\""
        }
        return nil
    }

    private func words(_ share: Double?, _ bytes: Int64?) -> String {
        let share = share.map { "\(Int(($0 * 1000).rounded()) / 10).\(Int(($0 * 1000).rounded()) % 10) %" } ?? "-"
        return "\(share) of a core and \(bytes.map(Quantity.size) ?? "-")"
    }
}
