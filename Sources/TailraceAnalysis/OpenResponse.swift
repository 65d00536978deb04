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
    private(set) var framing = Framing.unseen
    /// All its bytes were sent and acknowledged.
    private(set) var isComplete = false
    /// Position among its server's counts of responses in flight.
    private var inFlightMark = 0

    private var readAt: Nanoseconds = 0
    private var wasUnaccepted = false
    private var headBytes: [UInt8] = []
    /// Where its head begins and ends, counted from its first byte; interim heads (1xx) come before.
    private var headStart: Int64 = 0
    private var headEnd: Int64?
    private var sendTime: Int64 = 0
    private var blockedTime: Int64 = 0
    private var heldByDevice: Int64 = 0
    private var heldByCongestion: Int64 = 0
    private var rwndBefore: Int64?
    private var last = LastMarks()
    private var before = ConnectionCounters()

    /// The marks of the newest flush that the next one, or the end, is measured from.
    private struct LastMarks {
        var enter: Nanoseconds = 0
        /// 0: there was no flush.
        var exit: Nanoseconds = 0
        var queued: Nanoseconds = 0
        var transmitted: Nanoseconds = 0
        /// nil: not known.
        var driven: Nanoseconds?
        var acked: Nanoseconds = 0
        var isLoopback = false
    }

    /// None yet, on `connection`.
    init(on connection: Connection) { response = Response(connection: connection) }

    /// The next one: nothing is known of it but who serves it.
    private mutating func restart(_ server: Server, after before: ConnectionCounters, _ inFlight: inout InFlight) {
        response.restart()
        if response.server !== server { response.server = server }
        inFlightMark = inFlight.begin()
        response.inFlight = CountRange(begin: inFlight.count, end: 0, max: 0)
        self.before = before
        framing = .unseen
        isComplete = false
        wasUnaccepted = false
        if !headBytes.isEmpty { headBytes = [] }
        headStart = 0
        headEnd = nil
        sendTime = 0
        blockedTime = 0
        heldByDevice = 0
        heldByCongestion = 0
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
        response.method = texts.text(head.method)
        response.target = texts.text(head.target)
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
            framing = .adopted
        }
        readAt = response.begin
    }

    /// More of its request was read.
    mutating func take(_ read: RequestRead, _ texts: inout TextCache) {
        response.requestBytes += read.bytes
        guard response.protocolName == nil, framing != .adopted else { return }
        let isFirstPiece = headBytes.isEmpty
        if !isFirstPiece { headBytes.append(contentsOf: read.head.prefix(512 - min(512, headBytes.count))) }
        let beginning =
            isFirstPiece
            ? HTTPHead.request(read.head, isWhole: read.head.count >= 512 || read.head.isEmpty)
            : headBytes.withUnsafeBytes { HTTPHead.request($0, isWhole: $0.count >= 512) }
        switch beginning {
        case .http(let head): learn(head, &texts)
        case .incomplete:
            if isFirstPiece { headBytes = Array(read.head) }
            return
        case .http2: response.protocolName = .http2
        case .tls: response.protocolName = .tls
        case .opaque: response.protocolName = .opaque
        }
        if !isFirstPiece { headBytes = [] }
    }

    /// A flush of it left.
    mutating func take(
        _ flush: FlushMarks, _ stages: DeliveryStages, head: PendingHead?, _ texts: inout TextCache
    ) {
        if flush.firstEnter < readAt { readAt = max(response.begin, min(readAt, flush.firstEnter)) }
        var hasBody = framing != .unseen || head?.isWhole == true
        // Its connection may have ended before the call took a byte.
        if flush.bytes > 0 {
            if framing == .unseen { learnFraming(from: head, &texts) }
            if let headEnd, response.responseBytes + flush.bytes > headEnd { hasBody = true }
            if response.timeToFirstFlush == nil { findFirstBody(in: flush) }
            takeGaps(to: flush)
        }
        response.requestBytes += flush.untoldBytes
        response.responseBytes += flush.bytes
        response.flushes += Int64(flush.writes)
        sendTime = Self.sum(sendTime, flush.sendTime)
        blockedTime = Self.sum(blockedTime, flush.blockedTime)
        if flush.isMerged || flush.isAckLate { response.isEstimated = true }
        // Of a flush that was under way before tracing began, no stage is known.
        if flush.writes > 0, flush.bytes > 0 { takeDelivery(flush, stages) }
        takePressure(flush, oldestUnsent: stages.queue ?? max(0, flush.at - flush.enter))
        last = LastMarks(
            enter: flush.enter, exit: flush.exit, queued: flush.queued, transmitted: flush.transmitted,
            driven: flush.leftDriver, acked: flush.acked, isLoopback: flush.isLoopback)
        if flush.acked != 0,
            // The rest of a head is no chunk, whatever it looks like.
            framing.isComplete(
                bytes: response.responseBytes, tail: flush.tail, endsChunks: hasBody ? flush.endsChunks : nil)
        {
            isComplete = true
        }
    }

    private mutating func takeGaps(to flush: FlushMarks) {
        guard last.exit != 0 else { return }
        response.gapSent.add(max(0, flush.firstEnter - last.enter))
        if last.acked != 0, flush.acked != 0 { response.gapAcked.add(max(0, flush.acked - last.acked)) }
    }

    /// A sum of times that a forged recording cannot make overflow: every time is below 2^61.
    @inline(__always)
    private static func sum(_ a: Int64, _ b: Int64) -> Int64 { min(a + b, 1 << 61) }

    private mutating func findFirstBody(in flush: FlushMarks) {
        guard framing != .adopted else { return }
        let carriesBody =
            headEnd.map { response.responseBytes + flush.bytes > $0 } ?? (framing != .unseen)
        if carriesBody { response.timeToFirstFlush = max(0, flush.firstEnter - response.begin) }
    }

    /// The head of the first call since it began, whole: what nearly every response has. False: it is something else, or the
    /// call holds more than its response.
    mutating func takeFirst(_ sent: SentHead, _ texts: inout TextCache) -> Bool {
        guard framing == .unseen, response.flushes == 0, headBytes.isEmpty,
            response.protocolName == .http11 || response.protocolName == .http10,
            !sent.isEnding,
            case .http(let head) = HTTPHead.response(sent.head, isWhole: sent.callBytes > Int64(sent.head.count)),
            !head.isInterim, head.fills(callOf: sent.callBytes, toHead: response.method == "HEAD")
        else { return false }
        learn(KnownHead(head, &texts))
        return true
    }

    private mutating func learnFraming(from head: PendingHead?, _ texts: inout TextCache) {
        switch response.protocolName {
        case .http10, .http11: break
        default: return framing = .untilDirectionChange
        }
        guard let head else {
            // An interim head that was told whole may be handed over in pieces.
            if response.responseBytes >= headStart { framing = .untilDirectionChange }
            return
        }
        if !headBytes.isEmpty { return continueHead(with: head, &texts) }
        headStart = response.responseBytes + head.offset
        switch head.beginning {
        case .http(let known) where known.isInterim: headStart += Int64(known.length ?? 0)
        case .http(let known): learn(known)
        case .incomplete: continueHead(with: head, &texts)
        case .unread:
            framing = .untilDirectionChange
            response.isEstimated = true
        case .opaque: framing = .untilDirectionChange
        }
    }

    /// The next piece of a head that comes in several calls; interim heads may be among them.
    private mutating func continueHead(with head: PendingHead, _ texts: inout TextCache) {
        // What a call could not hand over is in the next one again.
        let taken = Int(clamping: max(0, response.responseBytes - headStart))
        if headBytes.count > taken { headBytes.removeLast(headBytes.count - taken) }
        headBytes.append(contentsOf: head.bytes)
        let isWhole = head.isCut || headBytes.count >= PendingHead.longestHead
        while !headBytes.isEmpty {
            var interim = headBytes.count
            let known = headBytes.withUnsafeBytes { bytes -> KnownHead? in
                switch HTTPHead.response(bytes, isWhole: isWhole) {
                case .http(let head):
                    interim = head.length ?? interim
                    return KnownHead(head, &texts)
                case .incomplete:
                    interim = 0
                    return nil
                case .opaque: return nil
                }
            }
            if interim == 0 { return }
            guard let known, known.isInterim else {
                if let known { learn(known) } else { framing = .untilDirectionChange }
                return headBytes = []
            }
            headStart += Int64(interim)
            headBytes.removeFirst(interim)
        }
    }

    private mutating func learn(_ head: KnownHead) {
        response.status = head.status
        response.contentType = head.contentType
        response.protocolName = head.protocolName
        let end = head.length.map { headStart + Int64($0) }
        headEnd = end
        framing = Framing(head: head, endingAt: end, method: response.method)
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
        let held = flush.blockedTime + (stages.queue ?? 0)
        if flush.isDeviceLimited {
            heldByDevice = Self.sum(heldByDevice, held)
        } else if flush.isCongestionLimited {
            heldByCongestion = Self.sum(heldByCongestion, held)
        }
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
    var isHeadOpen: Bool { framing == .unseen && response.responseBytes > headStart }

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
        response.causes = causes
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
        guard last.exit != 0 else { return timeline.finish(&response.timeline, in: .app) }
        // The last byte may leave before its send call returns: from then on it is on its way.
        let left = last.queued != 0 && last.queued < last.exit ? last.queued : last.exit
        timeline.advance(&response.timeline, to: left, sending: sendTime - (last.exit - left), blocked: blockedTime)
        timeline.advance(&response.timeline, to: last.queued, in: .queue)
        timeline.advance(&response.timeline, to: last.transmitted, in: .qdisc)
        if let driven = last.driven {
            timeline.advance(&response.timeline, to: driven, in: .driver)
        } else if !last.isLoopback {
            response.timeline[.driver] = nil
        }
        timeline.advance(&response.timeline, to: last.acked, in: .network)
        timeline.finish(&response.timeline, in: last.acked != 0 ? .app : last.transmitted != 0 ? .network : .queue)
    }

    /// Splits `blocked` and `queue` by the socket's own clocks, and by what limited its flushes.
    private var causes: CauseTimes {
        let held = (response.timeline[.blocked] ?? 0) + (response.timeline[.queue] ?? 0)
        var causes = CauseTimes()
        guard held > 0 else { return causes }
        causes.peerWindow = min(held, response.pressure.rwndLimited)
        let rest = held - causes.peerWindow
        if heldByDevice > heldByCongestion {
            causes.qdisc = rest
        } else if heldByCongestion > 0 {
            causes.congestionWindow = rest
        } else {
            causes.other = rest
        }
        return causes
    }
}
