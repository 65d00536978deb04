// SPDX-License-Identifier: MIT

/// Flushes whose `sk_wmem_queued` lay in one range, with what Little's law needs: wait = unsent bytes / drain rate.
public struct QueueRow: Sendable {
    /// Upper end of the range in bytes, inclusive; nil: no end.
    public let upTo: Int64?
    /// Send calls in it.
    public var flushes: Int64 = 0
    /// Sum of their waits in the write queue, ns.
    public var wait: Int64 = 0
    /// Sum of the unsent bytes ahead of them, themselves included.
    public var unsent: Int64 = 0
    /// Bytes that were acknowledged while something waited.
    public var drainedBytes: Int64 = 0
    /// The time that took, ns.
    public var drainTime: Int64 = 0

    /// No flush up to `upTo` bytes yet.
    public init(upTo: Int64?) { self.upTo = upTo }

    /// Mean wait, ns; nil without flushes.
    public var meanWait: Int64? { flushes > 0 ? wait / flushes : nil }
    /// Mean unsent bytes; nil without flushes.
    public var meanUnsent: Int64? { flushes > 0 ? unsent / flushes : nil }
    /// Bytes per second that left a connection while something waited; nil where nothing did.
    public var drainRate: Double? { drainTime > 0 ? Double(drainedBytes) / Double(drainTime) * 1e9 : nil }
    /// What Little's law makes of the mean unsent bytes, ns; nil where nothing drained.
    public var predictedWait: Int64? {
        guard let unsent = meanUnsent, let drainRate, drainRate > 0 else { return nil }
        return Int64(nearest: Double(unsent) / drainRate * 1e9)
    }

    /// Adds `writes` send calls that waited `wait` ns each behind `unsent` bytes.
    public mutating func add(writes: Int64, wait: Int64, unsent: Int64) {
        flushes = flushes.sum(with: writes)
        self.wait = self.wait.sum(with: wait.product(with: writes))
        self.unsent = self.unsent.sum(with: unsent.product(with: writes))
    }

    /// `bytes` were acknowledged in `time` ns, while something waited.
    public mutating func drain(bytes: Int64, in time: Int64) {
        drainedBytes = drainedBytes.sum(with: bytes)
        drainTime = drainTime.sum(with: time)
    }

    /// Adds another range to this one.
    public mutating func merge(_ other: QueueRow) {
        flushes = flushes.sum(with: other.flushes)
        wait = wait.sum(with: other.wait)
        unsent = unsent.sum(with: other.unsent)
        drainedBytes = drainedBytes.sum(with: other.drainedBytes)
        drainTime = drainTime.sum(with: other.drainTime)
    }
}
