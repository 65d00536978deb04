// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// Hands on what belongs to a target only, of the records of a run that traces more: for whoever reads along.
public final class SelectedRecording: RecordingTap {
    private let target: Target
    private let tap: any RecordingTap
    /// Until it began: none of its own.
    private let before: Loss
    private var chosen: Set<UInt64> = []
    /// Connections of processes of which nobody has told yet in which cgroup they are.
    private var undecided: [UInt64: ev_socket] = [:]
    private var cgroups: [Int32: String] = [:]
    private static let mostUndecided = 4096
    private static let mostServers = 4096

    /// `tap`: takes what is chosen. `before`: what the run had made and lost when this recording began.
    public init(_ target: Target, _ tap: any RecordingTap, before: Loss = Loss()) {
        (self.target, self.tap, self.before) = (target, tap, before)
    }

    /// A connection is judged when it is announced; then what belongs to it is handed on, or is not.
    public func take(_ record: UnsafeRawBufferPointer) {
        guard record.count >= MemoryLayout<ev_header>.size else { return }
        let header = record.loadUnaligned(as: ev_header.self)
        switch UInt32(header.kind) {
        case EV_SOCKET.rawValue where record.count >= MemoryLayout<ev_socket>.size:
            judge(record.loadUnaligned(as: ev_socket.self))
        // Nobody may have used it yet: then it is judged by who listens.
        case EV_WAITING.rawValue where record.count >= MemoryLayout<ev_waiting>.size:
            let socket = record.loadUnaligned(as: ev_waiting.self).socket
            if chosen.contains(header.socket) || isChosen(socket) == true { tap.take(record) }
        // Of all connections at once.
        case EV_ROUND.rawValue: tap.take(record)
        case EV_STATE.rawValue where record.count >= MemoryLayout<ev_state>.size:
            guard chosen.contains(header.socket) else { return undecided[header.socket] = nil }
            tap.take(record)
            if record.loadUnaligned(as: ev_state.self).new_state == Self.closed { chosen.remove(header.socket) }
        default: if chosen.contains(header.socket) { tap.take(record) }
        }
    }

    /// TCP_CLOSE.
    private static let closed: UInt32 = 7

    /// What it says of cgroups may decide.
    public func found(_ server: Server) {
        tap.found(server)
        guard !target.cgroups.isEmpty, let cgroup = server.cgroup else { return }
        if cgroups.count >= Self.mostServers { cgroups = [:] }
        cgroups[server.pid] = cgroup
        for socket in undecided.values where Int32(truncatingIfNeeded: socket.pid) == server.pid { judge(socket) }
    }

    /// Who reads along may know of tasks whose connections it does not see.
    public func take(_ told: TaskEvent) { tap.take(told) }

    /// After each drain.
    public func tick(at now: Nanoseconds, anchor: ClockAnchor, loss: () -> Loss) {
        tap.tick(at: now, anchor: anchor, loss: { loss().since(before) })
    }

    private func judge(_ socket: ev_socket) {
        var socket = socket
        let cookie = socket.header.socket
        undecided[cookie] = nil
        switch isChosen(socket) {
        case true?:
            chosen.insert(cookie)
            withUnsafeBytes(of: &socket) { tap.take($0) }
        case false?: chosen.remove(cookie)
        case nil: if undecided.count < Self.mostUndecided { undecided[cookie] = socket }
        }
    }

    /// As the kernel side judges (`target.bpf.h`); nil: it is not known yet.
    private func isChosen(_ socket: ev_socket) -> Bool? {
        guard target.ports.isEmpty || target.ports.contains(socket.local_port) else { return false }
        if target.pids.isEmpty && target.comms.isEmpty && target.cgroups.isEmpty { return true }
        let pid = Int32(truncatingIfNeeded: socket.pid)
        if target.pids.contains(pid) { return true }
        let comm = withUnsafeBytes(of: socket.comm) { Array($0.prefix { $0 != 0 }) }
        if target.comms.contains(where: { Array($0.utf8.prefix(15)) == comm }) { return true }
        guard !target.cgroups.isEmpty else { return false }
        guard let cgroup = cgroups[pid] else { return nil }
        return target.cgroups.contains { cgroup == $0 || cgroup.hasPrefix($0.hasSuffix("/") ? $0 : $0 + "/") }
    }
}
