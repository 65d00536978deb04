// SPDX-License-Identifier: MIT
import TailraceModel

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
    private var closing = Closing()
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
    private var heads = PendingHeads()
    /// The head of the next flush was understood at its send call.
    private var isHeadKnown = false
    /// The kernel side told of it last.
    private(set) var seen: Nanoseconds
    /// The newest look at its socket.
    private(set) var sample = SocketSample()
    private var doubt = Doubt()
    /// Up to when its holds were told.
    private var heldUpTo: Nanoseconds = 0

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
    mutating func take(_ read: RequestRead, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void) {
        adopted = nil
        if doubt.isThere, doubt.ends(with: read) {
            abandon(at: read.readable != 0 ? read.readable : read.at, &context, tell)
        }
        var rest = read
        while rest.bytes > 0 {
            let (part, bytes) = requests.next(of: rest, isIdle: !isOpen)
            if bytes >= rest.bytes { return take(rest, as: part, &context, tell) }
            let piece = rest.divided(after: bytes)
            take(piece, as: part, &context, tell)
        }
    }

    private mutating func take(
        _ read: RequestRead, as part: RequestStream.Part, _ context: inout TrackingContext,
        _ tell: (borrowing Actions) -> Void
    ) {
        switch part {
        case .same: takeMore(read, &context)
        case .next(let head): takeNext(read, head, &context, tell)
        case .opaque where isOpen && !read.isFirst: takeMore(read, &context)
        case .opaque: takeNext(read, nil, &context, tell)
        }
    }

    private mutating func takeNext(
        _ read: RequestRead, _ head: RequestHead?, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        // Behind its FIN a server reads what the client still sends, and can answer nothing of it.
        if closing.hasServerFin { return }
        guard isOpen else { return begin(read, head, &context) }
        if requests.protocolName == .http2 { current.settle(as: .http2) }
        switch current.framing {
        case .untilDirectionChange where read.outstanding == 0, .adopted where read.outstanding == 0:
            end(.complete, at: current.acknowledgedAt, &context, tell)
            if waiting.isEmpty { begin(read, head, &context) } else { goOn(with: read, head, &context, tell) }
        case .untilClose: takeMore(read, &context)
        default: wait(read)
        }
    }

    /// The client speaks again while requests wait that nothing was seen to answer.
    private mutating func goOn(
        with read: RequestRead, _ head: RequestHead?, _ context: inout TrackingContext,
        _ tell: (borrowing Actions) -> Void
    ) {
        if requests.protocolName == .http11 {
            // The answers of some were in the bytes that just ended, and nobody saw of how many.
            doubt.arise()
            beginWaiting(&context)
            abandonAll(at: read.readable != 0 ? read.readable : read.at, &context, tell)
            begin(read, head, &context)
        } else {
            // What has no answer of its own is one request with what follows it.
            wait(read)
            for more in waiting.dropFirst() { more.withRead { waiting[0].append($0) } }
            waiting.removeLast(waiting.count - 1)
            beginWaiting(&context)
        }
    }

    /// More of the newest request. Where its response has ended before it, nothing waits for that.
    private mutating func takeMore(_ read: RequestRead, _ context: inout TrackingContext) {
        if !waiting.isEmpty {
            waiting[waiting.count - 1].append(read)
        } else if isOpen {
            current.take(read, &context.texts)
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
    mutating func take(_ sent: SentHead, _ context: inout TrackingContext) {
        if waiting.isEmpty, heads.isEmpty, isOpen, current.takeFirst(sent, &context.texts) { return isHeadKnown = true }
        heads.take(sent, &context.texts)
    }

    /// A flush left, or was given up.
    mutating func take(_ flush: FlushMarks, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void) {
        if flush.acked == 0, givenUp.count < Self.givenUpLimit {
            givenUp.append(flush)
        } else {
            divide(flush, &context, tell)
        }
    }

    /// A flush may hold the ends and beginnings of several responses, where their calls shared it.
    private mutating func divide(
        _ flush: FlushMarks, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        if isOpen, doubt.divides(flush, flushes: current.response.flushes, sequence: nextSequence) {
            abandon(at: flush.firstEnter, &context, tell)
        }
        if let nextSequence, flush.sequenceStart != nextSequence, isOpen {
            let lost = Int64(Int32(bitPattern: flush.sequenceStart &- nextSequence))
            if lost > 0 { current.addLost(bytes: lost) } else { current.markEstimated() }
        }
        nextSequence = flush.sequenceEnd
        var found = isHeadKnown
        isHeadKnown = false
        guard !heads.isEmpty else {
            takePart(flush, head: nil, &context, tell)
            if flush.isHeadTold, !found, isOpen { current.markEstimated() }
            return
        }
        var rest = flush
        var begun: PendingHead?
        while let head = heads.next(before: flush.sequenceEnd) {
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
                takePart(part, head: begun, &context, tell)
                begun = head
            } else if let before = begun, Int32(bitPattern: before.callEnd &- head.sequence) >= 0 {
                begun?.append(head)
            }
        }
        takePart(rest, head: begun, &context, tell)
        if flush.isHeadTold, !found, isOpen { current.markEstimated() }
    }

    private mutating func takePart(
        _ flush: FlushMarks, head: PendingHead?, _ context: inout TrackingContext,
        _ tell: (borrowing Actions) -> Void
    ) {
        if !waiting.isEmpty, isBoundary(flush, head) { endBefore(flush, &context, tell) }
        guard isOpen || flush.bytes > 0 || !waiting.isEmpty else { return }
        if !isOpen { beginForFlush(flush, head, &context) }
        if let held = flush.held {
            let limited = flush.rwndLimited - flush.rwndLimitedBefore
            hold(
                from: held.begin, to: held.end, flush.holder(rwndLimited: limited, of: held.end - held.begin), &context)
        }
        let stages = DeliveryStages(flush)
        current.take(flush, stages, head: head, &context.texts)
        if context.tellsFlushes, flush.bytes > 0 { Actions.leave(Flush(flush, stages, of: current.response), tell) }
        counters.retransmits = flush.retransmits
        counters.sndbufLimited = flush.sndbufLimited
        counters.isStale = false
        if current.isComplete {
            end(.complete, at: flush.acked, &context, tell)
            if !waiting.isEmpty { beginWaiting(&context) }
        }
    }

    /// The next response begins with `flush`.
    private mutating func endBefore(
        _ flush: FlushMarks, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        if current.acknowledgedAt != 0 { return end(.complete, at: current.acknowledgedAt, &context, tell) }
        if let ended = closing.ended { return end(ended.how, at: ended.at, &context, tell) }
        current.markEstimated()
        end(.unknown, at: flush.firstEnter, &context, tell)
    }

    /// Tells what of a hold was not told yet.
    private mutating func hold(
        from begin: Nanoseconds, to end: Nanoseconds, _ cause: WaitCause, _ context: inout TrackingContext
    ) {
        guard end > heldUpTo else { return }
        let begin = max(begin, heldUpTo, current.response.begin)
        heldUpTo = end
        guard begin < end else { return }
        context.holds.add(
            Hold(connection: current.response.connection.cookie, pid: server.pid, begin: begin, end: end, cause: cause))
    }

    /// As it stands at the newest look at its socket.
    mutating func look(_ context: inout TrackingContext) -> ConnectionLook {
        let wait = max(sample.unsentBytes > 0 ? sample.oldestUnsent : 0, sample.blocked)
        if isOpen, wait >= FlushMarks.heldLimit {
            let isFull = Int64(sample.unackedBytes) + 1460 > Int64(sample.peerWindow)
            hold(from: sample.at - wait, to: sample.at, isFull ? .peerWindow : .other, &context)
        }
        return ConnectionLook(
            connection: current.response.connection, server: server, sample: sample, acknowledged: nextSequence,
            clientFin: closing.fin, response: isOpen ? current.looked : nil)
    }

    /// As it stands when it is closed, and its process holds it still.
    func held(at time: Nanoseconds) -> HeldConnection {
        HeldConnection(
            connection: current.response.connection, server: server, closed: time,
            response: isOpen ? current.looked : nil)
    }

    mutating func take(_ sample: SocketSample) {
        seen = sample.at
        self.sample = sample
        if isOpen { current.take(sample) }
    }

    /// Adds the responses that are open, with flushes that are still on their way, as they stand at `now`: that in the
    /// making, those whose bytes are all on their way, and those whose requests wait.
    func addOpen(
        with outstanding: [FlushMarks], at now: Nanoseconds, isEstimated: Bool, _ context: inout TrackingContext,
        to responses: inout [Response]
    ) {
        guard isOpen || !outstanding.isEmpty || !givenUp.isEmpty else { return }
        var tracker = self
        tracker.successor = nil
        let inFlight = context.inFlight[serverPlace]
        var open: [Response] = []
        let tell = { (actions: borrowing Actions) in open += actions.ended }
        tracker.giveUp(.unknown, at: now, &context, tell)
        for flush in outstanding { tracker.divide(flush, &context, tell) }
        tracker.endAll(.unknown, at: now, &context, tell)
        context.inFlight[serverPlace] = inFlight
        for var response in open {
            response.state = .open
            response.endedBy = nil
            if isEstimated { response.isEstimated = true }
            responses.append(response)
        }
    }

    private mutating func endAll(
        _ ending: Ending, at: Nanoseconds, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        while isOpen {
            end(ending, at: at, &context, tell)
            if !waiting.isEmpty { beginWaiting(&context) }
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

    mutating func take(_ change: StateChange, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void) {
        closing.take(change)
        switch change.new {
        case .finWait2
        where isOpen && current.acknowledgedAt != 0
            && (current.framing == .untilClose || current.framing == .untilDirectionChange
                || current.framing == .adopted):
            end(.complete, at: current.acknowledgedAt, &context, tell)
        case .closed: close(change, &context, tell)
        default: break
        }
    }

    private mutating func close(
        _ change: StateChange, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        giveUp(ending(by: change), at: change.at, &context, tell)
        let ending = ending(by: change)
        while isOpen {
            let isWhole = change.unackedBytes == 0 && change.error == 0 && current.acknowledgedAt != 0
            switch current.framing {
            // Where another request waits, the client had its answer.
            case .untilDirectionChange where isWhole,
                .untilClose where isWhole && clientReads && waiting.isEmpty,
                .adopted where isWhole && clientReads && waiting.isEmpty:
                end(.complete, at: current.acknowledgedAt, &context, tell)
            default:
                end(ending, at: change.at, &context, tell)
            }
            if !waiting.isEmpty { beginWaiting(&context) }
        }
    }

    private mutating func giveUp(
        _ ending: Ending, at: Nanoseconds, _ context: inout TrackingContext,
        _ tell: (borrowing Actions) -> Void
    ) {
        closing.ended = (ending, at)
        for flush in givenUp { divide(flush, &context, tell) }
        givenUp = []
    }

    /// The connection is gone, and nothing told how.
    mutating func vanish(at: Nanoseconds, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void) {
        loseSight()
        giveUp(.unknown, at: at, &context, tell)
        abandonAll(at: at, &context, tell)
    }

    private mutating func abandonAll(
        at: Nanoseconds, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        while isOpen {
            current.markEstimated()
            end(.unknown, at: at, &context, tell)
            if !waiting.isEmpty { beginWaiting(&context) }
        }
    }

    private func ending(by change: StateChange) -> Ending { closing.ending(by: change, after: current.sentAt) }
    private var clientReads: Bool { closing.clientReads(after: current.sentAt) }

    /// Records of it were lost before the one that comes.
    mutating func loseSight() {
        doubt.arise()
        counters.isStale = true
        if isOpen { current.markEstimated() }
    }

    /// What was in the making is over since `time` at the latest, and how it ended was lost.
    private mutating func abandon(
        at time: Nanoseconds, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        if isOpen, current.acknowledgedAt != 0 {
            current.markEstimated()
            end(.unknown, at: current.acknowledgedAt, &context, tell)
            if !waiting.isEmpty { beginWaiting(&context) }
        }
        abandonAll(at: time, &context, tell)
        heads.removeAll()
        isHeadKnown = false
        nextSequence = nil
    }

    private mutating func begin(_ read: RequestRead, _ head: RequestHead?, _ context: inout TrackingContext) {
        current.begin(
            server, read: read, head, as: requests.protocolName(of: read.head), after: counters,
            &context.inFlight[serverPlace], &context.texts)
        isOpen = true
        if doubt.isThere { current.markEstimated() }
    }

    private mutating func beginForFlush(_ flush: FlushMarks, _ head: PendingHead?, _ context: inout TrackingContext) {
        guard waiting.isEmpty else { return beginWaiting(&context) }
        // A response's head says what it is, also where its request was not seen.
        let protocolName = head?.isHTTP == true ? .http11 : requests.protocolName ?? .opaque
        current.begin(
            server, unrequested: flush, as: protocolName, adopted: adopted, after: counters,
            &context.inFlight[serverPlace])
        // A request was read before it, and nothing told of that: the record was lost.
        if doubt.isThere || (flush.isAfterRead && adopted == nil) { current.markEstimated() }
        adopted = nil
        isOpen = true
    }

    private mutating func beginWaiting(_ context: inout TrackingContext) {
        waiting.removeFirst().withRead { begin($0, nil, &context) }
    }

    private mutating func end(
        _ ending: Ending, at: Nanoseconds, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        guard isOpen else { return }
        isOpen = false
        current.finish(at: at, endedBy: ending, inFlight: context.inFlight[serverPlace])
        current.tell(tell)
        context.inFlight[serverPlace].end()
        if successor != nil { succeed() }
    }
}
