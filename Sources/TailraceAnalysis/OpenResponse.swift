// SPDX-License-Identifier: MIT
import TailraceModel

/// What of a connection's earlier flushes the next response is measured against.
struct ConnectionCounters {
    var retransmits: UInt32 = 0
    var sndbufLimited: Int64 = 0
    /// Flushes were lost since.
    var isStale = false
}

/// A response in the making: fed with its request's reads and its flushes, in their order.
///
/// It is large, so a connection has one, which begins anew with each response and is never copied.
struct OpenResponse {
    private(set) var response: Response
    /// All its bytes were sent and acknowledged.
    private(set) var isComplete = false
    /// Position among its server's counts of responses in flight.
    private var inFlightMark = 0

    private var readAt: Nanoseconds = 0
    private var wasUnaccepted = false
    /// Of a request's head that comes in several reads.
    private var requestBytes: [UInt8] = []
    private var method = RequestMethod.other
    private var search = HeadSearch()
    private var sendTime: Int64 = 0
    private var blockedTime: Int64 = 0
    private var held = HeldTimes()
    private var rwndBefore: Int64?
    private var last = LastMarks()
    /// From the flush before the newest one to it.
    private(set) var gaps: (sent: Int64?, acked: Int64?)
    private var before = ConnectionCounters()

    /// What marks its end.
    var framing: Framing { search.framing }

    /// None yet, on `connection`.
    init(on connection: Connection) { response = Response(connection: connection) }

    /// The next one: nothing is known of it but who serves it.
    private mutating func restart(_ server: Server, after before: ConnectionCounters, _ inFlight: inout InFlight) {
        response.restart()
        if response.server !== server { response.server = server }
        inFlightMark = inFlight.begin()
        response.inFlight = CountRange(begin: inFlight.count, end: 0, max: 0)
        self.before = before
        search.restart()
        isComplete = false
        wasUnaccepted = false
        method = .other
        if !requestBytes.isEmpty { requestBytes = [] }
        sendTime = 0
        blockedTime = 0
        held = HeldTimes()
        rwndBefore = nil
        last = LastMarks()
    }

    /// Begins with a read of its request, whose `head` is understood; nil: its bytes are to be. `protocolName`: what the
    /// connection is known to speak.
    mutating func begin(
        _ server: Server, read: RequestRead, _ head: RequestHead?, as protocolName: ResponseProtocol?,
        after before: ConnectionCounters, _ inFlight: inout InFlight, _ texts: inout TextCache
    ) {
        restart(server, after: before, &inFlight)
        response.protocolName = protocolName
        let established = response.connection.established
        let cameWithHandshake = read.readable == 0 && response.number == 1 && established != 0
        wasUnaccepted = response.number == 1 && (read.wasUnaccepted || cameWithHandshake)
        response.begin = read.readable != 0 ? read.readable : cameWithHandshake ? established : read.at
        readAt = read.at
        if let head { learn(head, &texts) }
        take(read, &texts)
    }

    /// A server of HTTP/2 may speak before its client's preface tells what that is.
    mutating func settle(as protocolName: ResponseProtocol) {
        if response.protocolName == .opaque, response.requestBytes == 0 { response.protocolName = protocolName }
    }

    private mutating func learn(_ head: RequestHead, _ texts: inout TextCache) {
        method = RequestMethod(head.method)
        response.method = texts.text(head.method)
        // That of CONNECT is no path, and one may be hidden.
        response.target = head.target.isEmpty ? nil : texts.text(head.target)
        response.protocolName = head.protocolName
    }

    /// Begins with a send: no request of it was seen (a server that speaks first, or one that reads in a way unseen), or
    /// it was under way when tracing began, at `adopted`.
    mutating func begin(
        _ server: Server, unrequested flush: FlushMarks, as protocolName: ResponseProtocol, adopted: Nanoseconds?,
        after before: ConnectionCounters, _ inFlight: inout InFlight
    ) {
        restart(server, after: before, &inFlight)
        response.begin = adopted.map { min($0, flush.firstEnter) } ?? flush.firstEnter
        response.protocolName = protocolName
        if adopted != nil {
            response.isAdopted = true
            response.isEstimated = true
            response.protocolName = nil
            search.adopt()
        }
        readAt = response.begin
    }

    /// More of its request was read.
    mutating func take(_ read: RequestRead, _ texts: inout TextCache) {
        response.requestBytes += read.bytes
        guard response.protocolName == nil, framing != .adopted else { return }
        let isFirstPiece = requestBytes.isEmpty
        if !isFirstPiece { requestBytes.append(contentsOf: read.head.prefix(512 - min(512, requestBytes.count))) }
        let beginning =
            isFirstPiece
            ? HTTPHead.request(read.head, isWhole: read.head.count >= 512 || read.head.isEmpty)
            : requestBytes.withUnsafeBytes { HTTPHead.request($0, isWhole: $0.count >= 512) }
        switch beginning {
        case .http(let head): learn(head, &texts)
        case .incomplete:
            if isFirstPiece { requestBytes = Array(read.head) }
            return
        case .http2: response.protocolName = .http2
        case .tls: response.protocolName = .tls
        case .opaque: response.protocolName = .opaque
        }
        if !isFirstPiece { requestBytes = [] }
    }

    /// A flush of it left.
    mutating func take(_ flush: FlushMarks, _ stages: DeliveryStages, head: PendingHead?, _ texts: inout TextCache) {
        if flush.firstEnter < readAt { readAt = max(response.begin, min(readAt, flush.firstEnter)) }
        var hasBody = framing != .unseen || head?.isWhole == true
        // Its connection may have ended before the call took a byte.
        if flush.bytes > 0 {
            if framing == .unseen { lookForHead(in: head, &texts) }
            if let end = search.end, response.responseBytes + flush.bytes > end { hasBody = true }
            if response.timeToFirstFlush == nil { findFirstBody(in: flush) }
            takeGaps(to: flush)
        }
        response.requestBytes += flush.untoldBytes
        response.responseBytes += flush.bytes
        response.flushes += Int64(flush.writes)
        sendTime = HeldTimes.sum(sendTime, flush.sendTime)
        blockedTime = HeldTimes.sum(blockedTime, flush.blockedTime)
        if flush.isMerged || flush.isAckLate { response.isEstimated = true }
        // Of a flush that was under way before tracing began, no stage is known.
        if flush.writes > 0, flush.bytes > 0 { takeDelivery(flush, stages) }
        takePressure(flush, oldestUnsent: stages.queue ?? max(0, flush.at - flush.enter))
        last = LastMarks(flush)
        if flush.acked != 0,
            // The rest of a head is no chunk, whatever it looks like.
            framing.isComplete(
                bytes: response.responseBytes, tail: flush.tail, endsChunks: hasBody ? flush.endsChunks : nil)
        {
            isComplete = true
        }
    }

    private mutating func takeGaps(to flush: FlushMarks) {
        gaps = (nil, nil)
        guard last.exit != 0 else { return }
        let sent = max(0, flush.firstEnter - last.enter)
        response.gapSent.add(sent)
        gaps.sent = sent
        guard last.acked != 0, flush.acked != 0 else { return }
        let acked = max(0, flush.acked - last.acked)
        response.gapAcked.add(acked)
        gaps.acked = acked
    }

    private mutating func findFirstBody(in flush: FlushMarks) {
        guard framing != .adopted else { return }
        let carriesBody =
            search.end.map { response.responseBytes + flush.bytes > $0 } ?? (framing != .unseen)
        if carriesBody { response.timeToFirstFlush = max(0, flush.firstEnter - response.begin) }
    }

    /// The head of the first call since it began, whole: what nearly every response has. False: it is something else, or the
    /// call holds more than its response.
    mutating func takeFirst(_ sent: SentHead, _ texts: inout TextCache) -> Bool {
        guard response.flushes == 0, requestBytes.isEmpty,
            response.protocolName == .http11 || response.protocolName == .http10,
            let head = search.takeFirst(sent, to: method, &texts)
        else { return false }
        learn(head)
        return true
    }

    private mutating func lookForHead(in head: PendingHead?, _ texts: inout TextCache) {
        guard response.protocolName == .http10 || response.protocolName == .http11 else { return search.giveUp() }
        if case .unread = head?.beginning { response.isEstimated = true }
        if let known = search.take(head, after: response.responseBytes, to: method, &texts) { learn(known) }
    }

    private mutating func learn(_ head: KnownHead) {
        response.status = head.status
        response.contentType = head.contentType
        response.protocolName = head.protocolName
        response.isStreaming = framing == .chunked || framing == .untilClose || head.isEventStream
    }

    private mutating func takeDelivery(_ flush: FlushMarks, _ stages: DeliveryStages) {
        let times = Int64(max(1, flush.writes))
        response.delivery.send.add(stages.send, times: times)
        if let queue = stages.queue { response.delivery.queue.add(queue, times: times) }
        if let qdisc = stages.qdisc { response.delivery.qdisc.add(qdisc, times: times) }
        if let driver = stages.driver { response.delivery.driver.add(driver, times: times) }
        if let network = stages.network { response.delivery.network.add(network, times: times) }
        if let total = stages.total { response.delivery.total.add(total, times: times) }
        held.add(flush, stages)
    }

    private mutating func takePressure(_ flush: FlushMarks, oldestUnsent: Int64) {
        response.pressure.queuedBytesMax = max(response.pressure.queuedBytesMax, Int64(flush.queuedBytes))
        response.pressure.unsentBytesMax = max(response.pressure.unsentBytesMax, Int64(flush.unsentBytes))
        response.pressure.unackedBytesMax = max(response.pressure.unackedBytesMax, Int64(flush.unackedBytes))
        response.pressure.oldestUnsentMax = max(response.pressure.oldestUnsentMax, oldestUnsent)
        response.pressure.sndbufBytes = Int64(flush.sndbufBytes)
        response.pressure.srtt = Int64(flush.srttMicroseconds) * 1000
        let rwndBegin = rwndBefore ?? flush.rwndLimitedBefore
        rwndBefore = rwndBegin
        if before.isStale {
            // What it has more than that may have come before.
            if flush.retransmits != before.retransmits || flush.sndbufLimited != before.sndbufLimited {
                response.isEstimated = true
            }
            before.isStale = false
        }
        response.pressure.rwndLimited = max(0, flush.rwndLimited - rwndBegin)
        response.pressure.sndbufLimited = max(0, flush.sndbufLimited - before.sndbufLimited)
        response.pressure.retransmits = Int64(flush.retransmits &- before.retransmits)
    }

    /// Its head has begun, and its end was not seen yet: not so behind interim heads alone.
    var isHeadOpen: Bool { search.isOpen(after: response.responseBytes) }

    /// Something of it is not known.
    mutating func markEstimated() {
        response.isEstimated = true
        response.missesEvents = true
    }

    /// Bytes that were sent and whose record was lost: counted by sequence number.
    mutating func addLost(bytes: Int64) {
        response.responseBytes += bytes
        markEstimated()
    }

    /// The moment at which its last byte was acknowledged, 0 if it was not.
    var acknowledgedAt: Nanoseconds { last.acked }

    /// The moment at which its last send call was entered, 0 if there was none.
    var sentAt: Nanoseconds { last.enter }

    /// What findings are about.
    var looked: LookedResponse {
        var looked = LookedResponse()
        looked.number = response.number
        looked.begin = response.begin
        looked.readWait = max(0, readAt - response.begin)
        looked.method = response.method
        looked.target = response.target
        looked.isStreaming = response.isStreaming
        looked.sent = last.enter
        looked.acked = last.acked
        looked.flushes = response.flushes
        looked.queue = response.delivery.queue
        looked.qdisc = response.delivery.qdisc
        looked.gapSent = response.gapSent
        looked.gapAcked = response.gapAcked
        looked.heldByDevice = held.byDevice
        looked.heldByCongestion = held.byCongestion
        return looked
    }

    /// What one look at the socket told, while this response is open.
    mutating func take(_ sample: SocketSample) {
        response.pressure.queuedBytesMax = max(response.pressure.queuedBytesMax, Int64(sample.queuedBytes))
        response.pressure.unsentBytesMax = max(response.pressure.unsentBytesMax, Int64(sample.unsentBytes))
        response.pressure.unackedBytesMax = max(response.pressure.unackedBytesMax, Int64(sample.unackedBytes))
        response.pressure.oldestUnsentMax = max(response.pressure.oldestUnsentMax, sample.oldestUnsent)
    }

    /// As it stands at `end`: the ACK of its last byte, or the end of its connection, or (open) now. `inFlight` still
    /// counts it.
    mutating func finish(at end: Nanoseconds, endedBy ending: Ending?, inFlight: InFlight) {
        response.state = ending == nil ? .open : .ended
        response.endedBy = ending
        response.end = max(response.begin, end)
        cutTimeline()
        let heldTime = (response.timeline[.blocked] ?? 0) + (response.timeline[.queue] ?? 0)
        response.causes = held.split(heldTime, rwndLimited: response.pressure.rwndLimited)
        if let network = response.timeline[.network], let srtt = response.pressure.srtt, acknowledgedAt != 0 {
            response.ackDelay = max(0, network - srtt)
        }
        response.inFlight.max = inFlight.largest(since: inFlightMark)
        response.inFlight.end = inFlight.count
    }

    /// Tells it where it lies.
    mutating func tell(_ tell: (borrowing Actions) -> Void) { Actions.end(&response, tell) }

    private mutating func cutTimeline() {
        var timeline = Timeline(begin: response.begin, end: response.end)
        response.timeline = StageTimes()
        timeline.advance(&response.timeline, to: readAt, in: wasUnaccepted ? .accept : .read)
        last.cut(&timeline, &response.timeline, send: sendTime, blocked: blockedTime)
    }
}
