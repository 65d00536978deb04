// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// Records from a moment on that nobody knew before: what announced the open connections and their servers is kept until
/// then, in bounded memory, so that the recording can be read without what came before it.
public final class LateRecording<Redactor: PayloadRedactor>: RecordTap {
    /// Connections whose announcement is kept; those beyond are not known to the recording.
    private let mostSockets: Int
    private static var mostServers: Int { 4096 }
    private var sockets: [UInt64: ev_socket] = [:]
    private var servers: [Int32: Server] = [:]
    /// The newest count by each provider, and who serves the open connections.
    private var counts: [Source: TaskReading] = [:]
    private var serving: [UInt64: ServingTask] = [:]
    private var writer: RecordingWriter<Redactor>?

    private struct Source: Hashable {
        let pid: Int32
        let provider: String
    }

    /// - Parameter mostSockets: as many as are followed.
    public init(mostSockets: Int) { self.mostSockets = mostSockets }

    /// What is written; nil: nothing is.
    public var summary: RecordingSummary? { writer?.summary }

    /// From now on everything goes to `writer` too.
    public func begin(_ writer: RecordingWriter<Redactor>) {
        self.writer = writer
        for server in servers.values { writer.found(server) }
        for var socket in sockets.values {
            // As if tracing began here: what was before is not in the recording.
            socket.header.flags |= EV_F_ADOPTED
            withUnsafeBytes(of: &socket) { writer.take($0) }
        }
        let known = counts.values.sorted { ($0.at, $0.pid, $0.provider) < ($1.at, $1.pid, $1.provider) }
        for reading in known { writer.take(.counted(reading)) }
        for task in serving.values { writer.take(.serving(task)) }
    }

    /// Ends the recording and gives it, to be finished.
    public func end() -> RecordingWriter<Redactor>? {
        defer { writer = nil }
        return writer
    }

    /// After each drain.
    public func tick(at now: Nanoseconds, anchor: ClockAnchor, loss: () -> Loss) {
        writer?.tick(at: now, anchor: anchor, loss: loss)
    }

    /// Keeps what announces or ends a connection, and hands the record on.
    public func take(_ record: UnsafeRawBufferPointer) {
        keep(record)
        writer?.take(record)
    }

    /// Keeps it, and hands it on.
    public func found(_ server: Server) {
        if servers.count >= Self.mostServers { forgetServers() }
        if servers.count < Self.mostServers { servers[server.pid] = server }
        writer?.found(server)
    }

    /// Keeps what is known of tasks, and hands it on.
    public func take(_ told: TaskEvent) {
        switch told {
        case .counted(let reading):
            let source = Source(pid: reading.pid, provider: reading.provider)
            if counts.count < Self.mostServers || counts[source] != nil {
                counts[source] = reading.open == nil ? nil : reading
            }
        case .serving(let task): if sockets[task.connection] != nil { serving[task.connection] = task }
        case .leftBehind: break
        }
        writer?.take(told)
    }

    private func keep(_ record: UnsafeRawBufferPointer) {
        guard record.count >= MemoryLayout<ev_header>.size else { return }
        let header = record.loadUnaligned(as: ev_header.self)
        switch UInt32(header.kind) {
        case EV_SOCKET.rawValue:
            guard record.count >= MemoryLayout<ev_socket>.size, header.size == MemoryLayout<ev_socket>.size,
                sockets.count < mostSockets || sockets[header.socket] != nil
            else { return }
            sockets[header.socket] = record.loadUnaligned(as: ev_socket.self)
        case EV_STATE.rawValue:
            guard record.count >= MemoryLayout<ev_state>.size,
                record.loadUnaligned(as: ev_state.self).new_state == closed
            else { return }
            sockets[header.socket] = nil
            serving[header.socket] = nil
        default: break
        }
    }

    /// Those without a connection make room.
    private func forgetServers() {
        let serving = Set(sockets.values.map { Int32(truncatingIfNeeded: $0.pid) })
        servers = servers.filter { serving.contains($0.key) }
    }

    /// TCP_CLOSE.
    private var closed: UInt32 { 7 }
}
