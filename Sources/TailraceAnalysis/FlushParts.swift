// SPDX-License-Identifier: MIT
import TailraceModel

extension FlushMarks {
    /// The part before `head`, whose call came later; what is left begins with that call. The way of both is that of the last
    /// byte of all.
    mutating func divided(at head: PendingHead) -> FlushMarks {
        var part = self
        part.sequenceEnd = head.sequence
        part.exit = min(exit, max(enter, head.at))
        part.enter = min(enter, head.at)
        part.writes = 1
        part.tail = nil
        part.endsChunks = nil
        part.sendTime = 0
        sequenceStart = head.sequence
        firstEnter = head.at
        enter = max(enter, head.at)
        writes = max(2, writes) - 1
        untoldBytes = 0
        isMerged = true
        part.isMerged = true
        return part
    }
}

extension Flush {
    init(
        _ flush: borrowing FlushMarks, _ stages: borrowing DeliveryStages, of response: borrowing Response,
        gaps: (sent: Int64?, acked: Int64?)
    ) {
        self.init(
            connection: flush.socket, number: response.number, server: response.server,
            port: response.connection.local.port, at: flush.enter, bytes: flush.bytes,
            writes: Int64(flush.writes), stages: stages.times, total: stages.total,
            queuedBytes: Int64(flush.queuedBytes), unsentBytes: Int64(flush.unsentBytes))
        (gapSent, gapAcked) = gaps
        missesEvents = response.missesEvents
    }
}
