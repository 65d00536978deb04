// SPDX-License-Identifier: MIT
import TailraceModel

/// Something that a connection by chance may come to: a property that never meets it says nothing of it.
package enum Peculiarity: String, CaseIterable {
    case pipelined, interim, opaque, untilClose, shortWrite, refused, merged, sharedByResponses, lateAck, givenUp
    case insideCall, wrapped, untold, unreadable, ending, adopted, retransmitted, handshake
}

extension TracedConnection {
    /// What it came to.
    package var peculiarities: Set<Peculiarity> {
        var peculiarities = Set(kernel.records.flatMap(Self.peculiarities))
        if script.isPipelined { peculiarities.insert(.pipelined) }
        if script.transactions.contains(where: { $0.end == .turn }) { peculiarities.insert(.opaque) }
        if script.transactions.contains(where: { $0.end == .close }) { peculiarities.insert(.untilClose) }
        if kernel.retransmits > 0 { peculiarities.insert(.retransmitted) }
        for flush in flushes where answers.contains(where: { flush.bytes.contains($0) && $0 > flush.bytes.lowerBound })
        {
            peculiarities.insert(.sharedByResponses)
        }
        var begun: UInt32?
        for record in kernel.records {
            guard case .head(let sent, _) = record, !sent.isEnding else { continue }
            if sent.sequence == begun { peculiarities.insert(.refused) }
            begun = sent.sequence
        }
        return peculiarities
    }

    private static func peculiarities(of record: Record) -> [Peculiarity] {
        switch record {
        case .socket(let use): return use.isAdopted ? [.adopted] : []
        case .read(let read, let head):
            return (read.readable == 0 ? [.handshake] : []) + (head.isEmpty ? [.unreadable] : [])
        case .head(let sent, let bytes):
            let isInterim = bytes.starts(with: "HTTP/1.1 1".utf8) && !bytes.starts(with: "HTTP/1.1 101".utf8)
            return (isInterim ? [.interim] : []) + (sent.isEnding ? [.ending] : [])
        case .flush(let flush):
            let peculiarities: [(Peculiarity, Bool)] = [
                (.merged, flush.isMerged), (.lateAck, flush.isAckLate), (.givenUp, flush.acked == 0),
                (.insideCall, flush.transmitted != 0 && flush.transmitted < flush.exit),
                (.wrapped, flush.sequenceEnd < flush.sequenceStart), (.untold, flush.untoldBytes > 0),
                (.shortWrite, flush.tail == nil),
            ]
            return peculiarities.filter(\.1).map(\.0)
        default: return []
        }
    }
}
