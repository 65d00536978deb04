// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// Where segments are replayed as one: each begins with what was open then, told again for whoever has nothing else. What is
/// known already is left out, so that a response that goes on from one to the next is whole.
struct SegmentJoint {
    private var open: Set<UInt64> = []
    private var counted: [Source: Nanoseconds] = [:]
    private var serving: [UInt64: UInt64] = [:]
    /// When the segment began: its announcements say so. Of others, nothing is told again.
    private var begin: Nanoseconds?
    private var announced: UInt64 = 0
    /// So many are remembered; what is beyond is told again, as adopted.
    private static let most = 1 << 20

    private struct Source: Hashable {
        let pid: Int32
        let provider: String
    }

    /// A segment begins.
    mutating func begin(_ description: RecordingDescription) {
        begin = description.segment.map { _ in description.anchor.monotonic }
        announced = description.segment?.announced ?? 0
    }

    /// Whether a record announces a connection again that is known.
    mutating func isKnown(_ record: UnsafeRawBufferPointer) -> Bool {
        guard record.count >= MemoryLayout<ev_header>.size else { return false }
        let header = record.loadUnaligned(as: ev_header.self)
        switch UInt32(header.kind) {
        case EV_SOCKET.rawValue:
            if begin.map({ header.at_ns == UInt64($0) }) == true, header.flags & EV_F_ADOPTED != 0,
                open.contains(header.socket)
            {
                return true
            }
            if open.count < Self.most { open.insert(header.socket) }
        case EV_STATE.rawValue:
            if record.count >= MemoryLayout<ev_state>.size, record.loadUnaligned(as: ev_state.self).new_state == closed
            {
                open.remove(header.socket)
                serving[header.socket] = nil
            }
        default: break
        }
        return false
    }

    /// Whether something of tasks is told again.
    mutating func isKnown(_ entry: RecordedTasks.Entry) -> Bool {
        let isAgain = begin != nil && entry.place == announced
        switch entry.event {
        case .counted(let reading):
            let source = Source(pid: reading.pid, provider: reading.provider)
            if isAgain, counted[source] == reading.at { return true }
            if counted.count < Self.most { counted[source] = reading.at }
        case .serving(let task):
            if isAgain, serving[task.connection] == task.task { return true }
            if serving.count < Self.most { serving[task.connection] = task.task }
        case .leftBehind: break
        }
        return false
    }

    /// TCP_CLOSE.
    private var closed: UInt32 { 7 }
}
