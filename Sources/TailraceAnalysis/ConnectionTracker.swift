// SPDX-License-Identifier: MIT
import TailraceModel

/// What an event led to. One is reused for all events, so that its memory is allocated once.
public struct Actions {
    /// Responses that ended, in order.
    public internal(set) var ended: [Response] = []
    /// The flush that left, if flushes are told.
    public internal(set) var flush: Flush?

    /// Empty.
    public init() {}

    mutating func clear() {
        ended.removeAll(keepingCapacity: true)
        flush = nil
    }
}

/// The state machine of one connection: which response is in the making, and which requests wait behind it.
struct ConnectionTracker {
    private let connection: Connection
    private(set) var server: Server
    /// Where the correlator counts its server's responses.
    private(set) var serverPlace: Int
    /// Who uses the connection from the next response on.
    private var successor: (server: Server, place: Int)?
    private var number = 0
    private var current: OpenResponse?
    /// Requests that were read before the response in the making had ended (pipelining).
    private var waiting: [WaitingRequest] = []
    private var nextSequence: UInt32?
    private var counters = ConnectionCounters()
    private var hasClientFin = false
    private var hasServerFin = false

    private struct WaitingRequest {
        var read: RequestRead
        let head: [UInt8]
    }
    /// Requests of one connection that may wait: more are counted into the last.
    private static let waitingLimit = 64

    init(_ use: SocketUse, serverPlace: Int) {
        connection = use.connection
        server = use.server
        self.serverPlace = serverPlace
    }

    /// Another process uses the connection. A response stays with the server that it began with.
    mutating func use(by server: Server, place: Int) {
        successor = (server, place)
        if current == nil { succeed() }
    }

    private mutating func succeed() {
        guard let successor, waiting.isEmpty else { return }
        (server, serverPlace) = successor
        self.successor = nil
    }

    /// One read may bring several pipelined requests.
    mutating func take(_ read: RequestRead, _ inFlight: inout InFlight, _ actions: inout Actions) {
        var rest = read
        while let next = HTTPHead.nextRequest(in: rest.head) {
            var first = rest
            first.head = HeadBytes(rebasing: rest.head[..<next])
            first.bytes = Int64(next)
            takeOne(first, &inFlight, &actions)
            rest.head = HeadBytes(rebasing: rest.head[next...])
            rest.bytes -= Int64(next)
            rest.isFirst = true
            rest.outstanding = max(1, rest.outstanding)
        }
        takeOne(rest, &inFlight, &actions)
    }

    private mutating func takeOne(_ read: RequestRead, _ inFlight: inout InFlight, _ actions: inout Actions) {
        guard current != nil else { return begin(read, &inFlight) }
        guard read.isFirst else {
            if waiting.isEmpty { current?.take(read) } else { waiting[waiting.count - 1].read.bytes += read.bytes }
            return
        }
        switch current?.framing {
        case .untilDirectionChange where read.outstanding == 0:
            end(.complete, at: acknowledgedAt, &inFlight, &actions)
            begin(read, &inFlight)
        case .untilClose:
            current?.take(read)
        case .length, .chunked:
            if case .http = HTTPHead.request(read.head, isWhole: true) { wait(read) } else { current?.take(read) }
        default:
            wait(read)
        }
    }

    private mutating func wait(_ read: RequestRead) {
        guard waiting.count < Self.waitingLimit else {
            waiting[waiting.count - 1].read.bytes += read.bytes
            return
        }
        var kept = read
        kept.head = HeadBytes(start: nil, count: 0)
        waiting.append(WaitingRequest(read: kept, head: Array(read.head)))
    }

    mutating func take(_ flush: FlushMarks, tellsFlush: Bool, _ inFlight: inout InFlight, _ actions: inout Actions) {
        if let nextSequence, flush.sequenceStart != nextSequence {
            let lost = Int64(Int32(bitPattern: flush.sequenceStart &- nextSequence))
            if lost > 0 { current?.addLost(bytes: lost) } else { current?.markEstimated() }
        }
        nextSequence = flush.sequenceEnd
        if !waiting.isEmpty, flush.isAfterRead, isBoundary(flush) {
            end(.complete, at: acknowledgedAt, &inFlight, &actions)
        }
        if current == nil { beginForFlush(flush, &inFlight) }
        let stages = DeliveryStages(flush)
        current?.take(flush, stages)
        if tellsFlush { actions.flush = Flush(flush, stages, of: responseID) }
        counters.retransmits = flush.retransmits
        counters.sndbufLimited = flush.sndbufLimited
        if current?.isComplete == true {
            end(.complete, at: flush.acked, &inFlight, &actions)
            if !waiting.isEmpty { beginWaiting(&inFlight) }
        }
    }

    private var responseID: String { Response.id(on: connection, number: number) }
    private var acknowledgedAt: Nanoseconds { current?.acknowledgedAt ?? 0 }

    /// The open response with flushes that are still on their way, as it stands at `now`; nil: none is open.
    func open(with outstanding: [OutstandingFlush], at now: Nanoseconds, _ inFlight: InFlight) -> Response? {
        var response = current
        for flush in outstanding { flush.withMarks { response?.take($0, DeliveryStages($0)) } }
        return response?.told(at: now, endedBy: nil, inFlight: inFlight)
    }

    /// A flush after a read answers the waiting request where the response in the making cannot say that it goes on.
    private func isBoundary(_ flush: FlushMarks) -> Bool {
        guard current?.response.flushes ?? 0 > 0 else { return false }
        return switch current?.framing {
        case .untilDirectionChange, .unseen: true
        case .length, .chunked: flush.head.count >= 7 && HTTPHead.response(flush.head) != .opaque
        default: false
        }
    }

    mutating func take(_ change: StateChange, _ inFlight: inout InFlight, _ actions: inout Actions) {
        switch change.new {
        case .closeWait: hasClientFin = true
        case .finWait1: hasServerFin = true
        case .finWait2
        where acknowledgedAt != 0 && (current?.framing == .untilClose || current?.framing == .untilDirectionChange):
            end(.complete, at: acknowledgedAt, &inFlight, &actions)
        case .closed: close(change, &inFlight, &actions)
        default: break
        }
    }

    private mutating func close(_ change: StateChange, _ inFlight: inout InFlight, _ actions: inout Actions) {
        let ending = ending(of: change)
        while current != nil {
            let isWhole =
                change.unackedBytes == 0 && change.error == 0 && waiting.isEmpty && acknowledgedAt != 0
            switch current?.framing {
            case .untilClose where isWhole && !hasClientFin, .untilDirectionChange where isWhole:
                end(.complete, at: acknowledgedAt, &inFlight, &actions)
            default:
                end(ending, at: change.at, &inFlight, &actions)
            }
            if !waiting.isEmpty { beginWaiting(&inFlight) }
        }
    }

    private func ending(of change: StateChange) -> Ending {
        let timedOut: Int32 = 110
        if change.error == timedOut { return .timeout }
        if hasServerFin && !hasClientFin && change.error == 0 { return .serverClose }
        if hasClientFin { return .clientFin }
        if change.error != 0 { return .clientReset }
        return change.old == .established || change.old == .closeWait ? .serverReset : .unknown
    }

    private mutating func newResponse(_ inFlight: inout InFlight) -> (Response, mark: Int) {
        number += 1
        let mark = inFlight.begin()
        var response = Response(connection: connection)
        response.server = server
        response.number = number
        response.inFlight.begin = inFlight.count
        return (response, mark)
    }

    private mutating func begin(_ read: RequestRead, _ inFlight: inout InFlight) {
        let (response, mark) = newResponse(&inFlight)
        current = OpenResponse(response, read: read, after: counters, inFlightMark: mark)
    }

    private mutating func beginForFlush(_ flush: FlushMarks, _ inFlight: inout InFlight) {
        guard waiting.isEmpty else { return beginWaiting(&inFlight) }
        let (response, mark) = newResponse(&inFlight)
        current = OpenResponse(response, unrequested: flush, after: counters, inFlightMark: mark)
    }

    private mutating func beginWaiting(_ inFlight: inout InFlight) {
        let request = waiting.removeFirst()
        request.head.withUnsafeBytes { head in
            var read = request.read
            read.head = head
            begin(read, &inFlight)
        }
    }

    private mutating func end(_ ending: Ending, at: Nanoseconds, _ inFlight: inout InFlight, _ actions: inout Actions) {
        guard let ended = current.take() else { return }
        actions.ended.append(ended.told(at: at, endedBy: ending, inFlight: inFlight))
        inFlight.end()
        succeed()
    }
}

extension Flush {
    fileprivate init(_ flush: FlushMarks, _ stages: DeliveryStages, of response: String) {
        self.init(
            response: response, at: flush.enter, bytes: flush.bytes, writes: Int64(flush.writes), stages: stages.times,
            total: stages.total, queuedBytes: Int64(flush.queuedBytes), unsentBytes: Int64(flush.unsentBytes))
    }
}
