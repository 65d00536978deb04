// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel

/// The ring between the programs and the daemon where it has no room: some records of one connection are lost, and the next
/// says that they were (bpf/state.bpf.h, reserve() and fill_header()).
package struct LossyRing {
    /// Those that arrive.
    package private(set) var records: [Record] = []
    /// By kind.
    package private(set) var lost: [String: Int] = [:]
    private var hasLost = false
    private var isAnnounced = false

    /// `isLost`: whether there is no room for that record.
    package init(_ made: [Record], isLost: (Record) -> Bool) {
        let announcement = made.first { if case .socket = $0 { true } else { false } }
        for record in made {
            switch record {
            case .socket: continue
            // Whoever uses the socket announces it, as often as that does not arrive.
            case .read, .head:
                if !isAnnounced, let announcement, pass(announcement, isLost) { isAnnounced = true }
            default: break
            }
            _ = pass(record, isLost)
        }
    }

    private mutating func pass(_ record: Record, _ isLost: (Record) -> Bool) -> Bool {
        guard !isLost(record) else {
            hasLost = true
            lost[record.kind, default: 0] += 1
            return false
        }
        records.append(hasLost ? record.afterLoss : record)
        if isAnnounced { hasLost = false }
        return true
    }
}

extension Record {
    /// The same, told after others were lost.
    fileprivate var afterLoss: Record {
        switch self {
        case .socket(let use):
            return .socket(
                SocketUse(
                    connection: use.connection, server: use.server, at: use.at, isAdopted: use.isAdopted,
                    isAfterLoss: true))
        case .read(var read, let head):
            read.isAfterLoss = true
            return .read(read, head: head)
        case .head(var sent, let bytes):
            sent.isAfterLoss = true
            return .head(sent, bytes: bytes)
        case .flush(var flush):
            flush.isAfterLoss = true
            return .flush(flush)
        case .state(let change):
            return .state(
                StateChange(
                    socket: change.socket, at: change.at, old: change.old, new: change.new, error: change.error,
                    unackedBytes: change.unackedBytes, isAfterLoss: true))
        case .sample(var sample):
            sample.isAfterLoss = true
            return .sample(sample)
        case .round: return self
        }
    }
}
