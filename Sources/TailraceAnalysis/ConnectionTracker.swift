// SPDX-License-Identifier: MIT
import TailraceModel

/// What an event led to. It lives only while it is told: whoever wants more of it later copies it.
public struct Actions {
    /// The response that ended; or none.
    public let ended: UnsafeBufferPointer<Response>
    private let left: UnsafePointer<Flush>?
    /// The flush that left, if flushes are told.
    public var flush: Flush? { left?.pointee }
    /// Of each server, when all its sockets were sampled.
    public let samples: [ServerSample]

    /// Tells one ended response in place: it is large.
    @inline(__always)
    static func end(_ response: inout Response, _ tell: (borrowing Actions) -> Void) {
        withUnsafePointer(to: &response) {
            tell(Actions(ended: UnsafeBufferPointer(start: $0, count: 1), left: nil, samples: []))
        }
    }

    static func sample(_ samples: [ServerSample], _ tell: (borrowing Actions) -> Void) {
        guard !samples.isEmpty else { return }
        tell(Actions(ended: UnsafeBufferPointer(start: nil, count: 0), left: nil, samples: samples))
    }

    static func leave(_ flush: Flush, _ tell: (borrowing Actions) -> Void) {
        withUnsafePointer(to: flush) {
            tell(Actions(ended: UnsafeBufferPointer(start: nil, count: 0), left: $0, samples: []))
        }
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
    /// When the client's FIN came; nil: it did not.
    private var clientFin: Nanoseconds?
    private var hasServerFin = false
    /// How and when the connection ended.
    private var closing: (ending: Ending, at: Nanoseconds)?
    /// Flushes that the peer never acknowledged: how their responses ended, the connection's end tells.
    private var givenUp: [FlushMarks] = []
    /// The kernel side gives up as many at once.
    private static let givenUpLimit = 8
    /// When the connection was found, as long as nothing on it has been seen; nil: from its begin, or something has.
    private var adopted: Nanoseconds?

    /// Which bytes are whose.
    private var requests: RequestStream
    /// Requests of one connection that may wait: more are counted into the last.
    private static let waitingLimit = 64
    /// Of send calls whose flush has not left yet, in their order.
    private var heads: [PendingHead] = []
    /// The last of them, also when its flush has left.
    private var newestCall: PendingHead.CallEnd?
    /// The head of the next flush was understood at its send call.
    private var isHeadKnown = false
    /// As many send calls can be outstanding with a head of their own: the oldest gives way, and what it began is not known.
    private static let headLimit = 256
    /// The kernel side told of it last.
    private(set) var seen: Nanoseconds
    /// The newest look at its socket.
    private(set) var sample = SocketSample()
    private var doubt = Doubt()

    init(_ use: SocketUse, serverPlace: Int) {
        current = OpenResponse(on: use.connection)
        server = use.server
        adopted = use.isAdopted ? use.at : nil
        requests = RequestStream(isAdopted: use.isAdopted)
        seen = use.at
        self.serverPlace = serverPlace
    }

    /// Another process uses the connection. A response stays with the server that it began with.
    mutating func use(by server: Server, place: Int) {
        successor = (server, place)
        if !isOpen { succeed() }
    }

    /// Where its responses are counted, now and from the next one on.
    var serverPlaces: [Int] { successor.map { [serverPlace, $0.place] } ?? [serverPlace] }

    private mutating func succeed() {
        guard let successor, waiting.isEmpty else { return }
        (server, serverPlace) = successor
        self.successor = nil
    }

    /// One read may bring the end of one request and several others.
    mutating func take(
        _ read: RequestRead, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        adopted = nil
        if doubt.isThere, doubt.ends(with: read) {
            abandon(at: read.readable != 0 ? read.readable : read.at, &common, tell)
        }
        var rest = read
        while rest.bytes > 0 {
            let (part, bytes) = requests.next(of: rest, isIdle: !isOpen)
            if bytes >= rest.bytes { return take(rest, as: part, &common, tell) }
            let piece = rest.divided(after: bytes)
            take(piece, as: part, &common, tell)
        }
    }

    private mutating func take(
        _ read: RequestRead, as part: RequestStream.Part, _ common: inout CommonState,
        _ tell: (borrowing Actions) -> Void
    ) {
        switch part {
        case .same: takeMore(read, &common)
        case .next(let head): takeNext(read, head, &common, tell)
        case .opaque where isOpen && !read.isFirst: takeMore(read, &common)
        case .opaque: takeNext(read, nil, &common, tell)
        }
    }

    private mutating func takeNext(
        _ read: RequestRead, _ head: RequestHead?, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        // Behind its FIN a server reads what the client still sends, and can answer nothing of it.
        if hasServerFin { return }
        guard isOpen else { return begin(read, head, &common) }
        if requests.protocolName == .http2 { current.settle(as: .http2) }
        switch current.framing {
        case .untilDirectionChange where read.outstanding == 0, .adopted where read.outstanding == 0:
            end(.complete, at: current.acknowledgedAt, &common, tell)
            if waiting.isEmpty { begin(read, head, &common) } else { goOn(with: read, head, &common, tell) }
        case .untilClose: takeMore(read, &common)
        default: wait(read)
        }
    }

    /// The client speaks again while requests wait that nothing was seen to answer.
    private mutating func goOn(
        with read: RequestRead, _ head: RequestHead?, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        if requests.protocolName == .http11 {
            // The answers of some were in the bytes that just ended, and nobody saw of how many.
            doubt.arise()
            beginWaiting(&common)
            abandonAll(at: read.readable != 0 ? read.readable : read.at, &common, tell)
            begin(read, head, &common)
        } else {
            // What has no answer of its own is one request with what follows it.
            wait(read)
            for more in waiting.dropFirst() { more.withRead { waiting[0].append($0) } }
            waiting.removeLast(waiting.count - 1)
            beginWaiting(&common)
        }
    }

    /// More of the newest request. Where its response has ended before it, nothing waits for that.
    private mutating func takeMore(_ read: RequestRead, _ common: inout CommonState) {
        if !waiting.isEmpty {
            waiting[waiting.count - 1].append(read)
        } else if isOpen {
            current.take(read, &common.texts)
        }
    }

    private mutating func wait(_ read: RequestRead) {
        doubt.sawPipelining()
        if waiting.count < Self.waitingLimit {
            waiting.append(WaitingRequest(read))
        } else {
            waiting[waiting.count - 1].append(read)
        }
    }

    /// A send call began.
    mutating func take(_ sent: SentHead, _ common: inout CommonState) {
        if waiting.isEmpty, heads.isEmpty, isOpen, current.takeFirst(sent, &common.texts) { return isHeadKnown = true }
        // What an earlier call told of these bytes was refused with it.
        while !sent.isEnding, let last = heads.last, Int32(bitPattern: last.sequence &- sent.sequence) >= 0 {
            heads.removeLast()
        }
        PendingHead.take(sent, into: &heads, &common.texts)
        if let newestCall { heads[heads.count - 1].goOn(from: newestCall) }
        newestCall = heads.last?.end
        if heads.count > Self.headLimit { heads.removeFirst(heads.count - Self.headLimit) }
    }

    /// A flush left, or was given up.
    mutating func take(
        _ flush: FlushMarks, tellsFlush: Bool, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        if flush.acked == 0, givenUp.count < Self.givenUpLimit {
            givenUp.append(flush)
        } else {
            divide(flush, tellsFlush: tellsFlush, &common, tell)
        }
    }

    /// A flush may hold the ends and beginnings of several responses, where their calls shared it.
    private mutating func divide(
        _ flush: FlushMarks, tellsFlush: Bool, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        if isOpen, doubt.divides(flush, flushes: current.response.flushes, sequence: nextSequence) {
            abandon(at: flush.firstEnter, &common, tell)
        }
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
            if head.callEnd == flush.sequenceEnd { rest.endsChunks = head.endsChunks }
            if head.isEnding { continue }
            found = true
            if head.sequence == rest.sequenceStart {
                begun = head
            } else if head.isHTTP || head.isBehindEnd && !waiting.isEmpty,
                Int32(bitPattern: head.sequence &- rest.sequenceStart) > 0
            {
                var part = rest.divided(at: head)
                // The read may have come before any of the calls that share the flush: before one with a head, surely.
                part.isAfterRead = part.isAfterRead && begun?.isHTTP == true
                takePart(part, head: begun, tellsFlush: tellsFlush, &common, tell)
                begun = head
            } else if let before = begun, Int32(bitPattern: before.callEnd &- head.sequence) >= 0 {
                begun?.append(head)
            }
        }
        takePart(rest, head: begun, tellsFlush: tellsFlush, &common, tell)
        if flush.isHeadTold, !found, isOpen { current.markEstimated() }
    }

    private mutating func takePart(
        _ flush: FlushMarks, head: PendingHead?, tellsFlush: Bool, _ common: inout CommonState,
        _ tell: (borrowing Actions) -> Void
    ) {
        if !waiting.isEmpty, isBoundary(flush, head) { endBefore(flush, &common, tell) }
        guard isOpen || flush.bytes > 0 || !waiting.isEmpty else { return }
        if !isOpen { beginForFlush(flush, head, &common) }
        let stages = DeliveryStages(flush)
        current.take(flush, stages, head: head, &common.texts)
        if tellsFlush, flush.bytes > 0 { Actions.leave(Flush(flush, stages, of: current.response), tell) }
        counters.retransmits = flush.retransmits
        counters.sndbufLimited = flush.sndbufLimited
        counters.isStale = false
        if current.isComplete {
            end(.complete, at: flush.acked, &common, tell)
            if !waiting.isEmpty { beginWaiting(&common) }
        }
    }

    /// The next response begins with `flush`.
    private mutating func endBefore(
        _ flush: FlushMarks, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        if current.acknowledgedAt != 0 { return end(.complete, at: current.acknowledgedAt, &common, tell) }
        if let closing { return end(closing.ending, at: closing.at, &common, tell) }
        current.markEstimated()
        end(.unknown, at: flush.firstEnter, &common, tell)
    }

    mutating func take(_ sample: SocketSample) {
        seen = sample.at
        self.sample = sample
        if isOpen { current.take(sample) }
    }

    /// Adds the responses that are open, with flushes that are still on their way, as they stand at `now`: that in the
    /// making, those whose bytes are all on their way, and those whose requests wait.
    func addOpen(
        with outstanding: [FlushMarks], at now: Nanoseconds, isEstimated: Bool, _ common: inout CommonState,
        to responses: inout [Response]
    ) {
        guard isOpen || !outstanding.isEmpty || !givenUp.isEmpty else { return }
        var tracker = self
        tracker.successor = nil
        let inFlight = common.inFlight[serverPlace]
        var open: [Response] = []
        let tell = { (actions: borrowing Actions) in open += actions.ended }
        tracker.giveUp(.unknown, at: now, tellsFlush: false, &common, tell)
        for flush in outstanding { tracker.divide(flush, tellsFlush: false, &common, tell) }
        tracker.endAll(.unknown, at: now, &common, tell)
        common.inFlight[serverPlace] = inFlight
        for var response in open {
            response.state = .open
            response.endedBy = nil
            if isEstimated { response.isEstimated = true }
            responses.append(response)
        }
    }

    private mutating func endAll(
        _ ending: Ending, at: Nanoseconds, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        while isOpen {
            end(ending, at: at, &common, tell)
            if !waiting.isEmpty { beginWaiting(&common) }
        }
    }

    /// A flush after a read answers the waiting request where the response in the making cannot say that it goes on.
    private func isBoundary(_ flush: FlushMarks, _ head: PendingHead?) -> Bool {
        guard isOpen, current.response.flushes > 0 else { return false }
        return switch current.framing {
        case .untilDirectionChange, .adopted: flush.isAfterRead || head?.isHTTP ?? false
        case .length, .chunked: head.map { $0.isHTTP || $0.isBehindEnd } ?? false
        // What does not look like a head goes on with one.
        case .unseen: current.isHeadOpen && head?.isHTTP ?? flush.isAfterRead
        case .untilClose: false
        }
    }

    mutating func take(
        _ change: StateChange, tellsFlush: Bool, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        switch change.new {
        case .closeWait: clientFin = change.at
        case .finWait1: hasServerFin = true
        case .finWait2
        where isOpen && current.acknowledgedAt != 0
            && (current.framing == .untilClose || current.framing == .untilDirectionChange
                || current.framing == .adopted):
            end(.complete, at: current.acknowledgedAt, &common, tell)
        case .closed: close(change, tellsFlush: tellsFlush, &common, tell)
        default: break
        }
    }

    private mutating func close(
        _ change: StateChange, tellsFlush: Bool, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        // Before anybody used the connection, nothing was told of it.
        if change.old == .closeWait || change.old == .lastAck { clientFin = clientFin ?? 0 }
        giveUp(ending(of: change), at: change.at, tellsFlush: tellsFlush, &common, tell)
        let ending = ending(of: change)
        while isOpen {
            let isWhole = change.unackedBytes == 0 && change.error == 0 && current.acknowledgedAt != 0
            switch current.framing {
            // Where another request waits, the client had its answer.
            case .untilDirectionChange where isWhole,
                .untilClose where isWhole && stillReads && waiting.isEmpty,
                .adopted where isWhole && stillReads && waiting.isEmpty:
                end(.complete, at: current.acknowledgedAt, &common, tell)
            default:
                end(ending, at: change.at, &common, tell)
            }
            if !waiting.isEmpty { beginWaiting(&common) }
        }
    }

    private mutating func giveUp(
        _ ending: Ending, at: Nanoseconds, tellsFlush: Bool, _ common: inout CommonState,
        _ tell: (borrowing Actions) -> Void
    ) {
        closing = (ending, at)
        for flush in givenUp { divide(flush, tellsFlush: tellsFlush, &common, tell) }
        givenUp = []
    }

    /// The connection is gone, and nothing told how.
    mutating func vanish(
        at: Nanoseconds, tellsFlush: Bool, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        loseSight()
        giveUp(.unknown, at: at, tellsFlush: tellsFlush, &common, tell)
        abandonAll(at: at, &common, tell)
    }

    private mutating func abandonAll(
        at: Nanoseconds, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        while isOpen {
            current.markEstimated()
            end(.unknown, at: at, &common, tell)
            if !waiting.isEmpty { beginWaiting(&common) }
        }
    }

    /// Nothing says that the client left before the end. A FIN alone does not: who is gone answers what is sent after it with
    /// RST, and who acknowledges that is only done with sending.
    private var stillReads: Bool { clientFin.map { current.sentAt > $0 } ?? true }
    /// Records of it were lost before the one that comes.
    mutating func loseSight() {
        doubt.arise()
        counters.isStale = true
        if isOpen { current.markEstimated() }
    }

    /// What was in the making is over since `time` at the latest, and how it ended was lost.
    private mutating func abandon(
        at time: Nanoseconds, _ common: inout CommonState, _ tell: (borrowing Actions) -> Void
    ) {
        if isOpen, current.acknowledgedAt != 0 {
            current.markEstimated()
            end(.unknown, at: current.acknowledgedAt, &common, tell)
            if !waiting.isEmpty { beginWaiting(&common) }
        }
        abandonAll(at: time, &common, tell)
        heads.removeAll()
        isHeadKnown = false
        nextSequence = nil
    }

    private func ending(of change: StateChange) -> Ending {
        let timedOut: Int32 = 110
        if change.error == timedOut { return .timeout }
        if hasServerFin && stillReads && change.error == 0 { return .serverClose }
        if clientFin != nil { return .clientFin }
        if change.error != 0 { return .clientReset }
        return change.old == .established || change.old == .closeWait ? .serverReset : .unknown
    }

    private mutating func begin(_ read: RequestRead, _ head: RequestHead?, _ common: inout CommonState) {
        current.begin(
            server, read: read, head, as: requests.protocolName(of: read.head), after: counters,
            &common.inFlight[serverPlace], &common.texts)
        isOpen = true
        if doubt.isThere { current.markEstimated() }
    }

    private mutating func beginForFlush(_ flush: FlushMarks, _ head: PendingHead?, _ common: inout CommonState) {
        guard waiting.isEmpty else { return beginWaiting(&common) }
        // A response's head says what it is, also where its request was not seen.
        let protocolName = head?.isHTTP == true ? .http11 : requests.protocolName ?? .opaque
        current.begin(
            server, unrequested: flush, as: protocolName, adopted: adopted, after: counters,
            &common.inFlight[serverPlace])
        // A request was read before it, and nothing told of that: the record was lost.
        if doubt.isThere || (flush.isAfterRead && adopted == nil) { current.markEstimated() }
        adopted = nil
        isOpen = true
    }

    private mutating func beginWaiting(_ common: inout CommonState) {
        waiting.removeFirst().withRead { begin($0, nil, &common) }
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
        part.endsChunks = nil
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
