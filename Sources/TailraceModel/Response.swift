// SPDX-License-Identifier: MIT

/// How a response ended.
public enum Ending: String, CaseIterable, Codable, Sendable {
    case complete
    case clientFin = "client_fin"
    case clientReset = "client_reset"
    case serverClose = "server_close"
    case serverReset = "server_reset"
    case timeout
    case unknown
}

/// What the bytes on the connection were taken for.
public enum ResponseProtocol: String, Codable, Sendable {
    case http10 = "http/1.0"
    case http11 = "http/1.1"
    /// Seen by its preface or upgrade; its frames are not parsed.
    case http2 = "http/2"
    /// Ciphertext: boundaries are changes of direction.
    case tls
    /// None of these: boundaries are changes of direction.
    case opaque
}

/// Distributions of one quantity for each delivery stage, and of the whole way.
public struct DeliveryDistributions: Codable, Sendable {
    /// Inside the send call, waits for room included.
    public var send = Distribution()
    /// In the TCP write queue.
    public var queue = Distribution()
    /// With the device layer.
    public var qdisc = Distribution()
    /// Empty where there is no mark behind the driver.
    public var driver = Distribution()
    /// Transmitted and not acknowledged.
    public var network = Distribution()
    /// From send call to ACK.
    public var total = Distribution()

    /// Empty.
    public init() {}

    /// Empty again; memory is kept.
    mutating func reset() {
        send.reset()
        queue.reset()
        qdisc.reset()
        driver.reset()
        network.reset()
        total.reset()
    }
}

/// The socket's extremes while the response was sent.
public struct SocketPressure: Codable, Sendable {
    /// Largest `sk_wmem_queued`.
    public var queuedBytesMax: Int64 = 0
    /// Largest `write_seq - snd_nxt`.
    public var unsentBytesMax: Int64 = 0
    /// Largest `snd_nxt - snd_una`.
    public var unackedBytesMax: Int64 = 0
    /// Longest time that a byte waited in the TCP write queue, ns.
    public var oldestUnsentMax: Int64 = 0
    /// `sk_sndbuf` at the last flush.
    public var sndbufBytes: Int64?
    /// Smoothed round trip at the last ACK, ns.
    public var srtt: Int64?
    /// Segments sent again.
    public var retransmits: Int64 = 0
    /// Time that the peer's window limited the connection, ns, to a jiffy.
    public var rwndLimited: Int64 = 0
    /// Time that the send buffer limited it, ns, to a jiffy.
    public var sndbufLimited: Int64 = 0

    /// All zero or unknown.
    public init() {}
}

/// A count at a response's begin, at its end, and the largest between.
public struct CountRange: Codable, Sendable, Equatable {
    /// At its begin, itself included.
    public var begin: Int
    /// At its end, itself included.
    public var end: Int
    /// The largest between.
    public var max: Int

    /// All three.
    public init(begin: Int, end: Int, max: Int) {
        self.begin = begin
        self.end = end
        self.max = max
    }
}

/// One server reply on a connection, from the request's first readable byte to the ACK of its own last byte.
public struct Response: Codable, Sendable {
    /// Where it stands.
    public enum State: String, Codable, Sendable { case open, ended }

    /// Position on its connection, from 1.
    public var number: Int = 0
    /// Open or ended.
    public var state = State.open
    /// The request's first byte was readable.
    public var begin: Nanoseconds = 0
    /// Its end; for an open response, the time up to which it is told.
    public var end: Nanoseconds = 0
    /// On which it is.
    public var connection: Connection
    /// The process that serves it.
    public var server: Server?
    /// What the bytes were taken for; nil: not known yet.
    public var protocolName: ResponseProtocol?
    /// The request's method; nil: not HTTP, or not readable.
    public var method: String?
    /// Path without query. Untrusted.
    public var target: String?
    /// HTTP status; nil: none was seen.
    public var status: Int?
    /// Untrusted.
    public var contentType: String?
    /// Its end is not announced: chunked, until close, or an event stream.
    public var isStreaming = false
    /// nil while it is open.
    public var endedBy: Ending?
    /// Read by the server.
    public var requestBytes: Int64 = 0
    /// Handed over by the server, head included.
    public var responseBytes: Int64 = 0
    /// Send calls that took bytes.
    public var flushes: Int64 = 0
    /// From begin to the first send call that carries body.
    public var timeToFirstFlush: Int64?
    /// Share of `network` beyond the smoothed round trip, ns: mostly the peer's delayed ACK.
    public var ackDelay: Int64?
    /// Sums to `duration`.
    public var timeline = StageTimes()
    /// ns by cause, summing to the timeline's `blocked` and `queue`.
    public var causes = CauseTimes()
    /// Of its flushes.
    public var delivery = DeliveryDistributions()
    /// Between the starts of adjacent flushes, at the server.
    public var gapSent = Distribution()
    /// Between the ACKs of adjacent flushes.
    public var gapAcked = Distribution()
    /// The socket's extremes.
    public var pressure = SocketPressure()
    /// Its server's responses in flight.
    public var inFlight = CountRange(begin: 0, end: 0, max: 0)
    /// Its server's open tasks; nil: none but responses are told of it.
    public var tasks: TaskRange?
    /// The task that serves its connection, by the provider of `tasks`; nil: not known.
    public var serving: UInt64?
    /// Tasks of its connection that were still there when the grace after its end was over; nil: not known.
    public var leftBehind: Int?
    /// It was under way when tracing began: `begin` is when it was found, and what was before is not known.
    public var isAdopted = false
    /// A part was estimated: flushes were merged, a record was lost, or a mark was noticed late.
    public var isEstimated = false
    /// A record of it was lost: it is estimated, and belongs into no percentile.
    public var missesEvents = false

    /// A response on `connection`.
    public init(connection: Connection) { self.connection = connection }

    /// The next response on the same connection: nothing is known of it yet.
    public mutating func restart() {
        number += 1
        method = nil
        target = nil
        contentType = nil
        state = .open
        begin = 0
        end = 0
        protocolName = nil
        status = nil
        isStreaming = false
        endedBy = nil
        requestBytes = 0
        responseBytes = 0
        flushes = 0
        timeToFirstFlush = nil
        ackDelay = nil
        delivery.reset()
        gapSent.reset()
        gapAcked.reset()
        pressure = SocketPressure()
        tasks = nil
        serving = nil
        leftBehind = nil
        isAdopted = false
        isEstimated = false
        missesEvents = false
    }

    /// End - begin, ns.
    public var duration: Int64 { end - begin }
    /// Unique within a run: the connection's cookie and the number on it.
    public var id: String { Response.id(cookie: connection.cookie, number: number) }

    /// The id of the response with this number on a connection.
    public static func id(cookie: UInt64, number: Int) -> String { "\(String(cookie, radix: 16))-\(number)" }
}

/// One flush, delivered.
public struct Flush: Codable, Sendable {
    /// The cookie of its connection, and the number of its response there.
    public let connection: UInt64
    /// From 1.
    public let number: Int
    /// The process that serves it; nil: not known.
    public let server: Server?
    /// Local port of its connection.
    public let port: UInt16
    /// Its send call was entered.
    public let at: Nanoseconds
    /// Handed over.
    public let bytes: Int64
    /// Send calls in it; beyond one, `stages` are those of the last.
    public let writes: Int64
    /// Stages of `Stage.delivery`; the others are 0.
    public let stages: StageTimes
    /// From send call to ACK, ns; nil: never acknowledged.
    public let total: Int64?
    /// `sk_wmem_queued` when its call returned.
    public let queuedBytes: Int64
    /// `write_seq - snd_nxt` when its call returned, itself included.
    public let unsentBytes: Int64
    /// From the start of the flush before it, of the same response, to its own, ns; nil: it is the first.
    public var gapSent: Int64?
    /// Between their ACKs, ns; nil: one of them has none.
    public var gapAcked: Int64?
    /// Records of its response were lost before it: it belongs into no percentile.
    public var missesEvents = false

    /// All of it.
    public init(
        connection: UInt64, number: Int, server: Server? = nil, port: UInt16 = 0, at: Nanoseconds, bytes: Int64,
        writes: Int64, stages: StageTimes, total: Int64?, queuedBytes: Int64, unsentBytes: Int64
    ) {
        self.connection = connection
        self.number = number
        self.server = server
        self.port = port
        self.at = at
        self.bytes = bytes
        self.writes = writes
        self.stages = stages
        self.total = total
        self.queuedBytes = queuedBytes
        self.unsentBytes = unsentBytes
    }

    /// Id of its response.
    public var response: String { Response.id(cookie: connection, number: number) }
}
