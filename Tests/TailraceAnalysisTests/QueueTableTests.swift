// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite("Waits by queued bytes")
struct QueueTableTests {
    /// A queue that drains 4096 bytes a millisecond, filled with `count` writes of 4096 bytes at once.
    private func filled(_ count: Int) -> QueueTable {
        var table = QueueTable()
        for index in 1...count {
            var stages = StageTimes()
            stages[.queue] = Int64(index) * 1_000_000
            let bytes = Int64(4096 * index)
            table.add(
                Flush(
                    connection: 1, number: 1, at: 5, bytes: 4096, writes: 1, stages: stages,
                    total: Int64(index) * 1_000_000,
                    queuedBytes: bytes, unsentBytes: bytes))
        }
        return table
    }

    @Test("the drain rate is what was acknowledged while something waited")
    func drainRate() throws {
        let table = filled(100)
        #expect(abs(try #require(table.drainRate) - 4_096_000) < 1)
        #expect(table.predictedWait(unsent: 409_600) == 100_000_000)
    }

    @Test("rows take each flush once, and the boundary is at 128 KiB")
    func rows() {
        let table = filled(100)
        #expect(table.rows.reduce(0) { $0 + $1.flushes } == 100)
        #expect(table.sum(above: false).flushes == 32)
        #expect(table.sum(above: true).flushes == 68)
        #expect(table.sum(above: false).meanWait == 16_500_000)
    }

    @Test("nothing that waits: no drain rate is claimed")
    func idle() {
        var table = QueueTable()
        table.add(
            Flush(
                connection: 1, number: 1, at: 5, bytes: 10, writes: 1, stages: StageTimes(), total: 100,
                queuedBytes: 10,
                unsentBytes: 0))
        #expect(table.drainRate == nil)
        #expect(table.predictedWait(unsent: 100) == nil)
    }
}
