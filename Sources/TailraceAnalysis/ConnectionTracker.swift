// SPDX-License-Identifier: MIT
import TailraceModel

/// The state machine of one connection: which response is in the making, and which requests wait behind it.
struct ConnectionTracker {
    var server: Server
    /// Where the correlator counts its server's responses.
    var serverPlace: Int
    /// Who uses the connection from the next response on.
    private var successor: (server: Server, place: Int)?
    var current: OpenResponse
    /// A response is in the making: `current`.
    var isOpen = false
    /// Requests that were read before the response in the making had ended (pipelining).
    var waiting = WaitingRequests()
    var nextSequence: UInt32?
    var counters = ConnectionCounters()
    var closing = Closing()
    /// Flushes that the peer never acknowledged: how their responses ended, the connection's end tells.
    var givenUp: [FlushMarks] = []
    /// The kernel side gives up as many at once.
    static let givenUpLimit = 8
    /// When the connection was found, as long as nothing on it has been seen; nil: from its begin, or something has.
    var adopted: Nanoseconds?

    /// Which bytes are whose.
    var requests: RequestStream
    var heads = PendingHeads()
    /// The head of the next flush was understood at its send call.
    var isHeadKnown = false
    /// The kernel side told of it last.
    var seen: Nanoseconds
    /// The newest look at its socket.
    var sample = SocketSample()
    var doubt = Doubt()
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

    /// Tells what of a hold was not told yet.
    mutating func hold(
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
            connection: current.response.connection, server: server, sample: sample,
            acknowledged: sample.acknowledged ?? nextSequence,
            clientFin: closing.fin, isFinOlder: closing.isFinOlder, response: isOpen ? current.looked : nil)
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

    mutating func endAll(
        _ ending: Ending, isEstimated: Bool = false, at: Nanoseconds, _ context: inout TrackingContext,
        _ tell: (borrowing Actions) -> Void
    ) {
        while isOpen {
            if isEstimated { current.markEstimated() }
            endAndGoOn(ending, at: at, &context, tell)
        }
    }

    /// Records of it were lost before the one that comes.
    mutating func loseSight() {
        doubt.arise()
        counters.isStale = true
        if isOpen { current.markEstimated() }
    }

    /// What was in the making is over since `time` at the latest, and how it ended was lost.
    mutating func abandon(
        at time: Nanoseconds, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        if isOpen, current.acknowledgedAt != 0 {
            current.markEstimated()
            endAndGoOn(.unknown, at: current.acknowledgedAt, &context, tell)
        }
        endAll(.unknown, isEstimated: true, at: time, &context, tell)
        heads.removeAll()
        isHeadKnown = false
        nextSequence = nil
    }

    mutating func begin(_ read: RequestRead, _ head: RequestHead?, _ context: inout TrackingContext) {
        current.begin(
            server, read: read, head, as: requests.protocolName(of: read.head), after: counters,
            &context.inFlight[serverPlace], &context.texts)
        isOpen = true
        if doubt.isThere { current.markEstimated() }
    }

    mutating func beginForFlush(_ flush: FlushMarks, _ head: PendingHead?, _ context: inout TrackingContext) {
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

    mutating func beginWaiting(_ context: inout TrackingContext) {
        waiting.removeFirst().withRead { begin($0, nil, &context) }
    }

    /// The next request that waits has its turn.
    mutating func endAndGoOn(
        _ ending: Ending, at: Nanoseconds, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        end(ending, at: at, &context, tell)
        if !waiting.isEmpty { beginWaiting(&context) }
    }

    mutating func end(
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
