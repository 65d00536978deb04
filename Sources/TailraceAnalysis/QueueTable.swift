// SPDX-License-Identifier: MIT
import TailraceModel

/// Waits in the TCP write queue by how much was queued: the curve behind "slow above N KiB", with the rate at which the
/// queue drains, so that Little's law can be held against it (wait = unsent bytes / drain rate).
public struct QueueTable: Sendable {
    /// By range, ascending.
    public private(set) var rows: [QueueRow]
    private var lastAcknowledged: [UInt64: (number: Int, at: Nanoseconds)] = [:]

    /// The send buffer size above which people see trouble, bytes.
    public static let boundary: Int64 = 128 << 10

    /// A flush that waited this long stood behind a queue that drains, ns.
    private static let draining: Int64 = 1_000_000

    /// Empty.
    public init() {
        let ends: [Int64?] = [16 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, nil]
        rows = ends.map { QueueRow(upTo: $0) }
    }

    /// Adds a flush. The drain rate comes from the ACKs of flushes that had to wait, not from their waits.
    public mutating func add(_ flush: Flush) {
        guard let wait = flush.stages[.queue], let total = flush.total else { return }
        let place = rows.firstIndex { $0.upTo.map { flush.queuedBytes <= $0 } ?? true } ?? rows.count - 1
        rows[place].add(writes: flush.writes, wait: wait, unsent: flush.unsentBytes)
        // What fills the peer's receive buffer at the beginning leaves faster than the peer reads: no drain yet.
        guard wait >= Self.draining else { return lastAcknowledged[flush.connection] = nil }
        let acknowledged = flush.at + total
        if let last = lastAcknowledged[flush.connection], last.number == flush.number, acknowledged >= last.at {
            rows[place].drain(bytes: flush.bytes, in: acknowledged - last.at)
        }
        lastAcknowledged[flush.connection] = (flush.number, acknowledged)
    }

    /// The response in the making on this connection has ended.
    public mutating func forget(connection: UInt64) {
        if !lastAcknowledged.isEmpty { lastAcknowledged[connection] = nil }
    }

    /// Bytes per second that left while something waited; nil where nothing did.
    public var drainRate: Double? {
        var all = QueueRow(upTo: nil)
        for row in rows { all.merge(row) }
        return all.drainRate
    }

    /// What Little's law makes of `unsent` bytes at the drain rate, ns.
    public func predictedWait(unsent: Int64) -> Int64? { drainRate.map { Int64(nearest: Double(unsent) / $0 * 1e9) } }

    /// All rows up to the boundary, or above it, as one.
    public func sum(above: Bool) -> QueueRow {
        var sum = QueueRow(upTo: above ? nil : Self.boundary)
        for row in rows where (row.upTo ?? .max > Self.boundary) == above { sum.merge(row) }
        return sum
    }
}
