// SPDX-License-Identifier: MIT
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// HTTP for those who read what the tracer knows: over a unix socket for local users, and a few paths over TCP. Sockets are bound by
/// `listen`, while the process may; its one thread is started by `serve`, when it may no more.
public final class Service: Sendable {
    private struct State {
        var listeners: [(socket: CInt, door: Reception.Door)] = []
        var locals: [LocalListener] = []
        var group: MultiThreadedEventLoopGroup?
    }

    private let reception: Reception
    private let state = NIOLockedValueBox(State())

    /// `inbox`: where requests wait for who answers them.
    public init(inbox: Inbox, limits: ServiceLimits = ServiceLimits()) {
        reception = Reception(inbox: inbox, limits: limits)
    }

    deinit { stop() }

    /// Binds a unix socket: mode 0660 and of `group`, or 0600 without one. A socket that nobody answers on is replaced, nothing else.
    public func listen(socket path: String, group: UInt32?) throws(ServiceError) {
        let listener = try LocalListener(path: path, group: group)
        state.withLockedValue { state in
            state.locals.append(listener)
            state.listeners.append((listener.socket, .local(group: group)))
        }
    }

    /// Whether an address is one in numbers, which alone can be bound.
    public static func isNumeric(_ address: String) -> Bool { RemoteListener.isNumeric(address) }

    /// Binds a TCP socket on an address in numbers, where only `paths` are served. `port`: 0...65535; 0: any, which is returned.
    @discardableResult
    public func listen(
        address: String, port: Int, paths: Set<String> = ["/metrics", "/v1/health"]
    ) throws(ServiceError) -> Int {
        let listener = try RemoteListener(address: address, port: port)
        state.withLockedValue { $0.listeners.append((listener.socket, .remote(paths: paths))) }
        return listener.port
    }

    /// Starts to serve on all that is bound: the first thread of the service begins here.
    public func serve() throws(ServiceError) {
        let listeners = state.withLockedValue { state in
            defer { state.listeners = [] }
            return state.listeners
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        state.withLockedValue { $0.group = group }
        do {
            for listener in listeners {
                _ = try Self.bootstrap(group, reception, listener.door).withBoundSocket(listener.socket).wait()
            }
        } catch {
            throw ServiceError("cannot serve: \(error); restart the service")
        }
    }

    /// Lets all clients go, and ends the thread. Sockets' files are taken away.
    public func stop() {
        let (group, locals, unused) = state.withLockedValue { state in
            defer { state = State() }
            return (state.group, state.locals, state.listeners)
        }
        for listener in unused { close(listener.socket) }
        try? group?.syncShutdownGracefully()
        for listener in locals { listener.remove() }
    }

    /// Until now.
    public var account: ServiceAccount { reception.tally.now }

    private static func bootstrap(
        _ group: MultiThreadedEventLoopGroup, _ reception: Reception, _ door: Reception.Door
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: LocalListener.backlog)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // A client that asks much of the loop is not read ahead of others.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try reception.receive(channel, at: door) }
            }
    }
}
