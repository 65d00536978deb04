// SPDX-License-Identifier: MIT
import TailraceModel

/// A record of the wire that owns what it carries, so that it can be kept, lost, or told in another order.
package enum Record {
    case socket(SocketUse)
    case read(RequestRead, head: [UInt8])
    case head(SentHead, bytes: [UInt8])
    case flush(FlushMarks)
    case state(StateChange)
    case sample(SocketSample)
    case round(SamplingRound)

    /// The record as the correlator gets it: valid inside `body` only.
    package func withEvent(_ body: (KernelEvent) -> Void) {
        switch self {
        case .socket(let use): body(.socketUsed(use))
        case .read(var read, let head):
            head.withUnsafeBytes { bytes in
                read.head = bytes
                withUnsafePointer(to: &read) { body(.requestRead($0)) }
            }
        case .head(var sent, let head):
            head.withUnsafeBytes { bytes in
                sent.head = bytes
                withUnsafePointer(to: &sent) { body(.headSent($0)) }
            }
        case .flush(var flush): withUnsafePointer(to: &flush) { body(.flushLeft($0)) }
        case .state(let change): body(.stateChanged(change))
        case .sample(var sample): withUnsafePointer(to: &sample) { body(.socketSampled($0)) }
        case .round(let round): body(.roundEnded(round))
        }
    }

    /// When it was made.
    package var at: Nanoseconds {
        switch self {
        case .socket(let use): use.at
        case .read(let read, _): read.at
        case .head(let sent, _): sent.at
        case .flush(let flush): flush.at
        case .state(let change): change.at
        case .sample(let sample): sample.at
        case .round(let round): round.end
        }
    }

    /// Its kind, as loss is counted by it.
    package var kind: String {
        switch self {
        case .socket: "socket"
        case .read: "read"
        case .head: "head"
        case .flush: "flush"
        case .state: "state"
        case .sample: "sample"
        case .round: "round"
        }
    }

    /// In one line, for a failure that is to be understood.
    package var summary: String {
        switch self {
        case .socket(let use): "socket \(use.connection.cookie) pid \(use.server.pid) at \(use.at)"
        case .read(let read, let head):
            "read at \(read.at) readable \(read.readable) bytes \(read.bytes) to \(read.sequenceEnd) outstanding \(read.outstanding)"
                + (read.isFirst ? " first" : "") + " \(text(head))"
        case .head(let sent, let head):
            (sent.isEnding ? "ending" : "head")
                + " at \(sent.at) seq \(sent.sequence) call \(sent.callBytes) \(text(head))"
        case .flush(let flush):
            "flush at \(flush.at) \(flush.sequenceStart)..<\(flush.sequenceEnd) writes \(flush.writes)"
                + " enter \(flush.firstEnter)/\(flush.enter) exit \(flush.exit) queued \(flush.queued)"
                + " xmit \(flush.transmitted) acked \(flush.acked)" + (flush.isMerged ? " merged" : "")
                + (flush.isAckLate ? " late" : "") + (flush.isAfterRead ? " after-read" : "")
                + (flush.isHeadTold ? " head-told" : "")
        case .state(let change):
            "state at \(change.at) \(change.old.map { "\($0)" } ?? "-") -> \(change.new.map { "\($0)" } ?? "-")"
                + " error \(change.error) unacked \(change.unackedBytes)"
        case .sample(let sample): "sample at \(sample.at)"
        case .round(let round): "round \(round.begin)...\(round.end)"
        }
    }

    private func text(_ bytes: [UInt8]) -> String {
        "[\(bytes.count)] " + String(decoding: bytes.prefix(60), as: UTF8.self).debugDescription
    }
}
