// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// Recordings from moments on that nobody knew before, any number at once: what announced the open connections and their
/// servers is kept, in bounded memory, so that each recording can be read without what came before it.
public final class LateRecording: RecordingTap {
    /// One that was begun, to be ended.
    public struct Handle: Hashable, Sendable {
        fileprivate let number: UInt64
    }
    /// Connections whose announcement is kept; those beyond are not known to the recordings.
    private let mostSockets: Int
    private static var mostServers: Int { 4096 }
    private var sockets: [UInt64: ev_socket] = [:]
    private var servers: [Int32: Server] = [:]
    /// The newest count by each provider, and who serves the open connections.
    private var counts: [Source: TaskReading] = [:]
    private var serving: [UInt64: ServingTask] = [:]
    private var taps: [(handle: Handle, tap: any RecordingTap)] = []
    private var begun: UInt64 = 0

    private struct Source: Hashable {
        let pid: Int32
        let provider: String
    }

    /// - Parameter mostSockets: as many as are followed.
    public init(mostSockets: Int) { self.mostSockets = mostSockets }

    /// How many are fed.
    public var recordings: Int { taps.count }

    /// From now on everything goes to `tap` too, which is first told what is open.
    ///
    /// - Parameters:
    ///   - tap: what takes it: a `RecordingWriter`, a `FlightRecorder`.
    ///   - now: monotonic time, ns: when the recording begins.
    /// - Returns: what ends it.
    public func begin(_ tap: any RecordingTap, at now: Nanoseconds) -> Handle {
        announce(to: tap, at: now)
        return add(tap)
    }

    /// The same for one that is told what is open when it asks.
    func add(_ tap: any RecordingTap) -> Handle {
        begun += 1
        taps.append((Handle(number: begun), tap))
        return Handle(number: begun)
    }

    /// Nothing more goes to it. It is still to be finished.
    public func end(_ handle: Handle) { taps.removeAll { $0.handle == handle } }

    /// Records that tell what is open.
    var announcements: Int { sockets.count }

    /// Tells what is open.
    func announce(to tap: any RecordTap, at now: Nanoseconds) {
        for server in servers.values { tap.found(server) }
        for var socket in sockets.values {
            // As if tracing began here, for whoever has nothing else: what was before is not in the recording. Who has
            // (`FlightReader`) knows the announcement by its time.
            socket.header.flags |= EV_F_ADOPTED
            socket.header.at_ns = UInt64(now)
            withUnsafeBytes(of: &socket) { tap.take($0) }
        }
        let known = counts.values.sorted { ($0.at, $0.pid, $0.provider) < ($1.at, $1.pid, $1.provider) }
        for reading in known { tap.take(.counted(reading)) }
        for task in serving.values { tap.take(.serving(task)) }
    }

    /// After each drain. `loss` is asked once for all of them.
    public func tick(at now: Nanoseconds, anchor: ClockAnchor, loss: () -> Loss) {
        var known: Loss?
        func once() -> Loss {
            if let known { return known }
            let counted = loss()
            known = counted
            return counted
        }
        for (_, tap) in taps { tap.tick(at: now, anchor: anchor, loss: once) }
    }

    /// Keeps what announces or ends a connection, and hands the record on.
    public func take(_ record: UnsafeRawBufferPointer) {
        keep(record)
        for (_, tap) in taps { tap.take(record) }
    }

    /// Keeps it, and hands it on.
    public func found(_ server: Server) {
        if servers.count >= Self.mostServers { forgetServers() }
        if servers.count < Self.mostServers { servers[server.pid] = server }
        for (_, tap) in taps { tap.found(server) }
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
        for (_, tap) in taps { tap.take(told) }
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
