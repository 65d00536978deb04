// SPDX-License-Identifier: MIT

/// How a response ended.
public enum Ending: String, Sendable {
    case complete
    case clientFin = "client_fin"
    case clientReset = "client_reset"
    case serverClose = "server_close"
    case serverReset = "server_reset"
    case timeout
    case unknown
}

/// What the bytes on the connection were taken for.
public enum ResponseProtocol: String, Sendable {
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
public struct DeliveryDistributions: Sendable {
    public var send = Distribution()
    public var queue = Distribution()
    public var qdisc = Distribution()
    /// nil: this run has no mark behind the driver.
    public var driver: Distribution?
    public var network = Distribution()
    public var total = Distribution()

    /// Empty.
    public init() {}
}

/// The socket's extremes while the response was sent.
public struct SocketPressure: Sendable {
    public var queuedBytesMax: Int64 = 0
    public var unsentBytesMax: Int64 = 0
    public var unackedBytesMax: Int64 = 0
    /// Longest time that a byte waited in the TCP write queue, ns.
    public var oldestUnsentMax: Int64 = 0
    public var sndbufBytes: Int64?
    public var srtt: Int64?
    public var retransmits: Int64 = 0
    public var rwndLimited: Int64 = 0
    public var sndbufLimited: Int64 = 0

    /// All zero or unknown.
    public init() {}
}

/// A count at a response's begin, at its end, and the largest between.
public struct CountRange: Sendable, Equatable {
    public var begin: Int
    public var end: Int
    public var max: Int

    /// All three.
    public init(begin: Int, end: Int, max: Int) {
        self.begin = begin
        self.end = end
        self.max = max
    }
}

/// One server reply on a connection, from the request's first readable byte to the ACK of its own last byte.
public struct Response: Sendable {
    /// Where it stands.
    public enum State: String, Sendable { case open, ended }

    /// Position on its connection, from 1.
    public var number: Int = 0
    public var state = State.open
    public var begin: Nanoseconds = 0
    /// Its end; for an open response, the time up to which it is told.
    public var end: Nanoseconds = 0
    public var connection: Connection
    public var server: Server?
    public var protocolName: ResponseProtocol?
    public var method: String?
    /// Path without query. Untrusted.
    public var target: String?
    public var status: Int?
    /// Untrusted.
    public var contentType: String?
    public var isStreaming = false
    public var endedBy: Ending?
    public var requestBytes: Int64 = 0
    public var responseBytes: Int64 = 0
    public var flushes: Int64 = 0
    /// From begin to the first send call that carries body.
    public var timeToFirstFlush: Int64?
    public var ackDelay: Int64?
    public var timeline = StageTimes()
    /// ns by cause, summing to the timeline's `blocked` and `queue`.
    public var causes: [WaitCause: Int64] = [:]
    public var delivery = DeliveryDistributions()
    public var gapSent = Distribution()
    public var gapAcked = Distribution()
    public var pressure = SocketPressure()
    public var inFlight = CountRange(begin: 0, end: 0, max: 0)
    /// A part was estimated: flushes were merged, a record was lost, or a mark was noticed late.
    public var isEstimated = false

    /// A response that begins on `connection`.
    public init(connection: Connection) { self.connection = connection }

    /// End - begin, ns.
    public var duration: Int64 { end - begin }
    /// Unique within a run: the connection's cookie and the number on it.
    public var id: String { "\(String(connection.cookie, radix: 16))-\(number)" }
}

/// One flush, delivered.
public struct Flush: Sendable {
    public let response: String
    public let at: Nanoseconds
    public let bytes: Int64
    public let writes: Int64
    /// Stages of `Stage.delivery`; the others are 0.
    public let stages: StageTimes
    /// From send call to ACK, ns; nil: never acknowledged.
    public let total: Int64?
    public let queuedBytes: Int64
    public let unsentBytes: Int64

    /// All of it.
    public init(
        response: String, at: Nanoseconds, bytes: Int64, writes: Int64, stages: StageTimes, total: Int64?,
        queuedBytes: Int64, unsentBytes: Int64
    ) {
        self.response = response
        self.at = at
        self.bytes = bytes
        self.writes = writes
        self.stages = stages
        self.total = total
        self.queuedBytes = queuedBytes
        self.unsentBytes = unsentBytes
    }
}
