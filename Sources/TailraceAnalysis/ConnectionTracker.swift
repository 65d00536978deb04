// SPDX-License-Identifier: MIT
import TailraceModel

/// What an event led to. It lives only while it is told: whoever wants more of it later copies it.
public struct Actions {
    /// The response that ended; or none.
    public let ended: UnsafeBufferPointer<Response>
    /// The flush that left, if flushes are told.
    public let flush: Flush?
    /// Of each server, when all its sockets were sampled.
    public let samples: [ServerSample]

    /// Tells one ended response in place: it is large.
    @inline(__always)
    static func end(_ response: inout Response, _ tell: (borrowing Actions) -> Void) {
        withUnsafePointer(to: &response) {
            tell(Actions(ended: UnsafeBufferPointer(start: $0, count: 1), flush: nil, samples: []))
        }
    }

    static func sample(_ samples: [ServerSample], _ tell: (borrowing Actions) -> Void) {
        guard !samples.isEmpty else { return }
        tell(Actions(ended: UnsafeBufferPointer(start: nil, count: 0), flush: nil, samples: samples))
    }

    static func leave(_ flush: Flush, _ tell: (borrowing Actions) -> Void) {
        tell(Actions(ended: UnsafeBufferPointer(start: nil, count: 0), flush: flush, samples: []))
    }
}

/// What the connections of one correlator have in common.
struct CommonState {
    /// Responses in flight, by the place of their server.
    var inFlight: ContiguousArray<InFlight> = []
    var texts = TextCache()
}

/// The state machine of one connection: which response is in the making, and which requests wait behind it.
struct ConnectionTracker {
    private(set) var server: Server
    /// Where the correlator counts its server's responses.
    private(set) var serverPlace: Int
    /// Who uses the connection from the next response on.
    private var successor: (server: Server, place: Int)?
    private var current: OpenResponse
    /// A response is in the making: `current`.
    private var isOpen = false
    /// Requests that were read before the response in the making had ended (pipelining).
    private var waiting: [WaitingRequest] = []
    private var nextSequence: UInt32?
    private var counters = ConnectionCounters()
    private var hasClientFin = false
    private var hasServerFin = false
    /// When the connection was found, as long as nothing on it has been seen; nil: from its begin, or something has.
    private var adopted: Nanoseconds?

    private struct WaitingRequest {
        var read: RequestRead
        let head: [UInt8]
    }
    /// Requests of one connection that may wait: more are counted into the last.
    private static let waitingLimit = 64
    /// Of send calls whose flush has not left yet, in their order.
    private var heads: [PendingHead] = []
    /// The head of the next flush was understood at its send call.
    private var isHeadKnown = false
    /// As many send calls can be outstanding with a head of their own: the oldest gives way, and what it began is not known.
    private static let headLimit = 256
    /// The kernel side told of it last.
    private(set) var seen: Nanoseconds
    /// The newest look at its socket.
    private(set) var sample = SocketSample()

    init(_ use: SocketUse, serverPlace: Int) {
        current = OpenResponse(on: use.connection)
        server = use.server
        adopted = use.isAdopted ? use.at : nil
        seen = use.at
        self.serverPlace = serverPlace
    }

    /// Another process uses the connection. A response stays with the server that it began with.
    mutating func use(by server: Server, place: Int) {
        successor = (server, place)
        if !isOpen { succeed() }
    }

    private mutating func succeed() {
        guard let successor, waiting.isEmpty else { return }
        (server, serverPlace) = successor
        self.successor = nil
    }

    /// One read may bring several pipelined requests.
    mutating func take(
        _ read: RequestRead, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        guard HTTPHead.nextRequest(in: read.head) != nil else { return takeOne(read, &common, tell) }
        var rest = read
        while let next = HTTPHead.nextRequest(in: rest.head) {
            var first = rest
            first.head = HeadBytes(rebasing: rest.head[..<next])
            first.bytes = Int64(next)
            takeOne(first, &common, tell)
            rest.head = HeadBytes(rebasing: rest.head[next...])
            rest.bytes -= Int64(next)
            rest.isFirst = true
            rest.outstanding = max(1, rest.outstanding)
        }
        takeOne(rest, &common, tell)
    }

    private mutating func takeOne(
        _ read: RequestRead, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        adopted = nil
        guard isOpen else { return begin(read, &common) }
        guard read.isFirst else {
            if waiting.isEmpty {
                current.take(read, &common.texts)
            } else {
                waiting[waiting.count - 1].read.bytes += read.bytes
            }
            return
        }
        switch current.framing {
        case .untilDirectionChange where read.outstanding == 0, .adopted where read.outstanding == 0:
            end(.complete, at: current.acknowledgedAt, &common, tell)
            begin(read, &common)
        case .untilClose:
            current.take(read, &common.texts)
        case .length, .chunked:
            if case .http = HTTPHead.request(read.head, isWhole: true) {
                wait(read)
            } else {
                current.take(read, &common.texts)
            }
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

    /// A send call began.
    mutating func take(_ sent: SentHead, _ common: inout CommonState) {
        if waiting.isEmpty, heads.isEmpty, isOpen, current.takeFirst(sent, &common.texts) { return isHeadKnown = true }
        if let last = heads.last, last.sequence == sent.sequence { heads.removeLast() }
        if heads.count == Self.headLimit { heads.removeFirst() }
        heads.append(PendingHead(sent, &common.texts))
    }

    /// A flush may hold the ends and beginnings of several responses, where their calls shared it.
    mutating func take(
        _ flush: FlushMarks, tellsFlush: Bool, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        if let nextSequence, flush.sequenceStart != nextSequence, isOpen {
            let lost = Int64(Int32(bitPattern: flush.sequenceStart &- nextSequence))
            if lost > 0 { current.addLost(bytes: lost) } else { current.markEstimated() }
        }
        nextSequence = flush.sequenceEnd
        var found = isHeadKnown
        isHeadKnown = false
        guard !heads.isEmpty else {
            takePart(flush, head: nil, tellsFlush: tellsFlush, &common, tell)
            if flush.isHeadTold, !found, isOpen { current.markEstimated() }
            return
        }
        var rest = flush
        var begun: PendingHead?
        while let head = heads.first, Int32(bitPattern: flush.sequenceEnd &- head.sequence) > 0 {
            heads.removeFirst()
            found = true
            if head.sequence == rest.sequenceStart {
                begun = head
            } else if head.isHTTP, Int32(bitPattern: head.sequence &- rest.sequenceStart) > 0 {
                takePart(rest.divided(at: head), head: begun, tellsFlush: tellsFlush, &common, tell)
                begun = head
            }
        }
        takePart(rest, head: begun, tellsFlush: tellsFlush, &common, tell)
        if flush.isHeadTold, !found, isOpen { current.markEstimated() }
    }

    private mutating func takePart(
        _ flush: FlushMarks, head: PendingHead?, tellsFlush: Bool, _ common: inout CommonState,
        _ tell: (borrowing Actions) -> Void
    ) {
        if !waiting.isEmpty, isBoundary(flush, head) { end(.complete, at: current.acknowledgedAt, &common, tell) }
        if !isOpen { beginForFlush(flush, &common) }
        let stages = DeliveryStages(flush)
        current.take(flush, stages, head: head, &common.texts)
        if tellsFlush { Actions.leave(Flush(flush, stages, of: current.response), tell) }
        counters.retransmits = flush.retransmits
        counters.sndbufLimited = flush.sndbufLimited
        if current.isComplete {
            end(.complete, at: flush.acked, &common, tell)
            if !waiting.isEmpty { beginWaiting(&common) }
        }
    }

    mutating func take(_ sample: SocketSample) {
        seen = sample.at
        self.sample = sample
        if isOpen { current.take(sample) }
    }

    /// The open response with flushes that are still on their way, as it stands at `now`; nil: none is open.
    func open(with outstanding: [FlushMarks], at now: Nanoseconds, _ common: CommonState) -> Response? {
        guard isOpen || !outstanding.isEmpty else { return nil }
        var (tracker, common) = (self, common)
        for flush in outstanding { tracker.take(flush, tellsFlush: false, &common) { _ in } }
        guard tracker.isOpen else { return nil }
        tracker.current.finish(at: now, endedBy: nil, inFlight: common.inFlight[serverPlace])
        return tracker.current.response
    }

    /// A flush after a read answers the waiting request where the response in the making cannot say that it goes on.
    private func isBoundary(_ flush: FlushMarks, _ head: PendingHead?) -> Bool {
        guard isOpen, current.response.flushes > 0 else { return false }
        return switch current.framing {
        case .untilDirectionChange, .adopted, .unseen: flush.isAfterRead
        case .length, .chunked: head?.isHTTP ?? false
        case .untilClose: false
        }
    }

    mutating func take(
        _ change: StateChange, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        switch change.new {
        case .closeWait: hasClientFin = true
        case .finWait1: hasServerFin = true
        case .finWait2
        where isOpen && current.acknowledgedAt != 0
            && (current.framing == .untilClose || current.framing == .untilDirectionChange
                || current.framing == .adopted):
            end(.complete, at: current.acknowledgedAt, &common, tell)
        case .closed: close(change, &common, tell)
        default: break
        }
    }

    private mutating func close(
        _ change: StateChange, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        let ending = ending(of: change)
        while isOpen {
            let isWhole =
                change.unackedBytes == 0 && change.error == 0 && waiting.isEmpty && current.acknowledgedAt != 0
            switch current.framing {
            case .untilClose where isWhole && !hasClientFin, .untilDirectionChange where isWhole,
                .adopted where isWhole && !hasClientFin:
                end(.complete, at: current.acknowledgedAt, &common, tell)
            default:
                end(ending, at: change.at, &common, tell)
            }
            if !waiting.isEmpty { beginWaiting(&common) }
        }
    }

    /// The connection is gone, and nothing told how.
    mutating func vanish(at: Nanoseconds, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void) {
        while isOpen {
            current.markEstimated()
            end(.unknown, at: at, &common, tell)
            if !waiting.isEmpty { beginWaiting(&common) }
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

    private mutating func begin(_ read: RequestRead, _ common: inout CommonState) {
        current.begin(server, read: read, after: counters, &common.inFlight[serverPlace], &common.texts)
        isOpen = true
    }

    private mutating func beginForFlush(_ flush: FlushMarks, _ common: inout CommonState) {
        guard waiting.isEmpty else { return beginWaiting(&common) }
        current.begin(server, unrequested: flush, adopted: adopted, after: counters, &common.inFlight[serverPlace])
        // A request was read before it, and nothing told of that: the record was lost.
        if flush.isAfterRead, adopted == nil { current.markEstimated() }
        adopted = nil
        isOpen = true
    }

    private mutating func beginWaiting(_ common: inout CommonState) {
        let request = waiting.removeFirst()
        request.head.withUnsafeBytes { head in
            var read = request.read
            read.head = head
            begin(read, &common)
        }
    }

    private mutating func end(
        _ ending: Ending, at: Nanoseconds, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        guard isOpen else { return }
        isOpen = false
        current.finish(at: at, endedBy: ending, inFlight: common.inFlight[serverPlace])
        current.tell(tell)
        common.inFlight[serverPlace].end()
        if successor != nil { succeed() }
    }
}

extension FlushMarks {
    /// The part before `head`, whose call came later; what is left begins with that call. The way of both is that of the last
    /// byte of all.
    fileprivate mutating func divided(at head: PendingHead) -> FlushMarks {
        var part = self
        part.sequenceEnd = head.sequence
        part.exit = min(exit, max(enter, head.at))
        part.enter = min(enter, head.at)
        part.writes = 1
        part.tail = nil
        part.sendTime = 0
        sequenceStart = head.sequence
        firstEnter = head.at
        enter = max(enter, head.at)
        writes = max(2, writes) - 1
        untoldBytes = 0
        isMerged = true
        part.isMerged = true
        return part
    }
}

extension Flush {
    fileprivate init(_ flush: FlushMarks, _ stages: DeliveryStages, of response: Response) {
        self.init(
            connection: flush.socket, number: response.number, server: response.server,
            port: response.connection.local.port, at: flush.enter, bytes: flush.bytes,
            writes: Int64(flush.writes), stages: stages.times, total: stages.total,
            queuedBytes: Int64(flush.queuedBytes), unsentBytes: Int64(flush.unsentBytes))
    }
}
