// SPDX-License-Identifier: MIT

/// One connection as it stood when all sockets were looked at. Counters only grow, so two looks tell what was between. A class,
/// because it never changes and is handed around much: ten thousand of them a second may be.
public final class ConnectionLook: Sendable {
    /// Which one.
    public let connection: Connection
    /// Who serves it.
    public let server: Server
    /// Its socket.
    public let sample: SocketSample
    /// One past the last byte that is known to be acknowledged, modulo 2^32; nil: no flush was told yet.
    public let acknowledged: UInt32?
    /// When the client's FIN came; nil: it did not.
    public let clientFin: Nanoseconds?
    /// It came before `clientFin`, which is when it was found.
    public let isFinOlder: Bool
    /// The response in the making; nil: none.
    public let response: LookedResponse?

    /// All of it.
    public init(
        connection: Connection, server: Server, sample: SocketSample, acknowledged: UInt32?, clientFin: Nanoseconds?,
        isFinOlder: Bool = false, response: LookedResponse?
    ) {
        self.connection = connection
        self.server = server
        self.sample = sample
        self.acknowledged = acknowledged
        self.clientFin = clientFin
        self.isFinOlder = isFinOlder
        self.response = response
    }
}

/// A connection that was reset or given up while its server held it, and that it holds still.
public struct HeldConnection: Sendable {
    /// Which one.
    public let connection: Connection
    /// Who holds it.
    public let server: Server
    /// When it was closed.
    public let closed: Nanoseconds
    /// The response in the making then; nil: none.
    public let response: LookedResponse?

    /// All of it.
    public init(connection: Connection, server: Server, closed: Nanoseconds, response: LookedResponse?) {
        self.connection = connection
        self.server = server
        self.closed = closed
        self.response = response
    }
}

/// A response in the making, as far as findings are about it.
public struct LookedResponse: Sendable {
    /// Its number on its connection.
    public var number = 0
    /// The request's first byte was readable.
    public var begin: Nanoseconds = 0
    /// From then until the server read it, ns.
    public var readWait: Int64 = 0
    /// nil: not HTTP, or not readable.
    public var method: String?
    /// Path without query. Untrusted.
    public var target: String?
    /// Its end is not announced.
    public var isStreaming = false
    /// Its newest acknowledged flush was handed over; 0: there is none.
    public var sent: Nanoseconds = 0
    /// That flush was acknowledged; 0: there is none.
    public var acked: Nanoseconds = 0
    /// Acknowledged send calls.
    public var flushes: Int64 = 0
    /// Time of its flushes in the TCP write queue.
    public var queue = Distribution()
    /// Time of its flushes with the device layer.
    public var qdisc = Distribution()
    /// Between the starts of adjacent flushes, at the server.
    public var gapSent = Distribution()
    /// Between the ACKs of adjacent flushes.
    public var gapAcked = Distribution()
    /// Time that its flushes were held while TCP held back for the device, ns.
    public var heldByDevice: Int64 = 0
    /// Time that its flushes were held while the congestion window was full, ns.
    public var heldByCongestion: Int64 = 0

    /// Nothing known.
    public init() {}
}

/// A time in which a queue held a connection's bytes: blocked, in the write queue, or with the device layer.
public struct Hold: Sendable {
    /// The connection's cookie.
    public let connection: UInt64
    /// Process id of its server.
    public let pid: Int32
    /// From when, ns.
    public let begin: Nanoseconds
    /// Until when, ns.
    public let end: Nanoseconds
    /// What held them.
    public let cause: WaitCause

    /// All of it.
    public init(connection: UInt64, pid: Int32, begin: Nanoseconds, end: Nanoseconds, cause: WaitCause) {
        self.connection = connection
        self.pid = pid
        self.begin = begin
        self.end = end
        self.cause = cause
    }
}
