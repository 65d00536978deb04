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
    /// Who uses the connection from the next response on.
    private var successor: Server?
    private var number = 0
    private(set) var current: OpenResponse?
    /// `current` with the flushes that a snapshot told; it lasts until the next event.
    private(set) var preview: OpenResponse?
    /// Requests that were read before the response in the making had ended (pipelining).
    private var waiting: [WaitingRequest] = []
    private var nextSequence: UInt32?
    private var lastFlush: FlushMarks?
    private var hasClientFin = false
    private var hasServerFin = false

    private struct WaitingRequest {
        var read: RequestRead
        let head: [UInt8]
    }
    /// Requests of one connection that may wait: more are counted into the last.
    private static let waitingLimit = 64

    init(_ use: SocketUse) {
        connection = use.connection
        server = use.server
    }

    /// Another process uses the connection. A response stays with the server that it began with.
    mutating func use(by server: Server) {
        if current == nil { self.server = server } else { successor = server }
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
            end(.complete, at: current?.acknowledgedAt ?? 0, &inFlight, &actions)
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
        guard !flush.isOutstanding else { return preview(flush) }
        preview = nil
        if let nextSequence, flush.sequenceStart != nextSequence {
            let lost = Int64(Int32(bitPattern: flush.sequenceStart &- nextSequence))
            if lost > 0 { current?.addLost(bytes: lost) } else { current?.markEstimated() }
        }
        nextSequence = flush.sequenceEnd
        defer {
            lastFlush = flush
            lastFlush?.head = HeadBytes(start: nil, count: 0)
        }
        if !waiting.isEmpty, flush.isAfterRead, isBoundary(flush) {
            end(.complete, at: current?.acknowledgedAt ?? 0, &inFlight, &actions)
        }
        if current == nil { beginForFlush(flush, &inFlight) }
        actions.flush = current?.take(flush, tellsFlush: tellsFlush)
        if let current, current.isComplete {
            end(.complete, at: current.acknowledgedAt, &inFlight, &actions)
            if !waiting.isEmpty { beginWaiting(&inFlight) }
        }
    }

    private mutating func preview(_ flush: FlushMarks) {
        var response = preview ?? current
        _ = response?.take(flush, tellsFlush: false)
        preview = response
    }

    /// A flush after a read answers the waiting request where the response in the making cannot say that it goes on.
    private func isBoundary(_ flush: FlushMarks) -> Bool {
        guard let current, current.response.flushes > 0 else { return false }
        return switch current.framing {
        case .untilDirectionChange, .unseen: true
        case .length, .chunked: flush.head.count >= 7 && HTTPHead.response(flush.head) != .opaque
        default: false
        }
    }

    mutating func take(_ change: StateChange, _ inFlight: inout InFlight, _ actions: inout Actions) {
        switch change.new {
        case .closeWait: hasClientFin = true
        case .finWait1: hasServerFin = true
        case .finWait2 where current?.framing == .untilClose || current?.framing == .untilDirectionChange:
            end(.complete, at: current?.acknowledgedAt ?? change.at, &inFlight, &actions)
        case .closed: close(change, &inFlight, &actions)
        default: break
        }
    }

    private mutating func close(_ change: StateChange, _ inFlight: inout InFlight, _ actions: inout Actions) {
        let ending = ending(of: change)
        while current != nil {
            let isWhole =
                change.unackedBytes == 0 && change.error == 0 && waiting.isEmpty && current?.acknowledgedAt ?? 0 != 0
            switch current?.framing {
            case .untilClose where isWhole && !hasClientFin, .untilDirectionChange where isWhole:
                end(.complete, at: current?.acknowledgedAt ?? change.at, &inFlight, &actions)
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

    private mutating func begin(_ read: RequestRead, _ inFlight: inout InFlight) {
        number += 1
        current = OpenResponse(connection: connection, server: server, number: number, read: read, after: lastFlush)
        current?.inFlightMark = inFlight.begin()
        current?.setInFlight(begin: inFlight.count)
    }

    private mutating func beginForFlush(_ flush: FlushMarks, _ inFlight: inout InFlight) {
        guard waiting.isEmpty else { return beginWaiting(&inFlight) }
        number += 1
        current = OpenResponse(
            connection: connection, server: server, number: number, unrequested: flush, after: lastFlush)
        current?.inFlightMark = inFlight.begin()
        current?.setInFlight(begin: inFlight.count)
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
        guard let current else { return }
        var response = current.told(at: at, endedBy: ending)
        response.inFlight.max = inFlight.largest(since: current.inFlightMark)
        response.inFlight.end = inFlight.end()
        actions.ended.append(response)
        self.current = nil
        if let successor, waiting.isEmpty {
            server = successor
            self.successor = nil
        }
    }
}
