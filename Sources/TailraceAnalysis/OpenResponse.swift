// SPDX-License-Identifier: MIT
import TailraceModel

/// A response in the making: fed with its request's reads and its flushes, in their order.
struct OpenResponse {
    private(set) var response: Response
    private(set) var framing = Framing.unseen
    /// All its bytes were sent and acknowledged.
    private(set) var isComplete = false
    /// Position among its server's counts of responses in flight.
    var inFlightMark = 0

    private var readAt: Nanoseconds
    private var wasUnaccepted: Bool
    private var headBytes: [UInt8] = []
    /// Where its head begins and ends, counted from its first byte; interim heads come before.
    private var headStart: Int64 = 0
    private var headEnd: Int64?
    private var sendTime: Int64 = 0
    private var blockedTime: Int64 = 0
    private var heldByDevice: Int64 = 0
    private var heldByCongestion: Int64 = 0
    private var rwndBefore: Int64?
    private var last: FlushMarks?
    /// The connection's counters before this response, from the flush before its first.
    private let before: FlushMarks?

    /// Begins with a read of its request.
    init(connection: Connection, server: Server?, number: Int, read: RequestRead, after before: FlushMarks?) {
        self.before = before
        response = Response(connection: connection)
        response.server = server
        response.number = number
        let cameWithHandshake = read.readable == 0 && number == 1 && read.established != 0
        response.begin = read.readable != 0 ? read.readable : cameWithHandshake ? read.established : read.read
        readAt = read.read
        wasUnaccepted = number == 1 && (read.wasUnaccepted || cameWithHandshake)
        take(read)
    }

    /// Begins with a send: no request of it was seen (a server that speaks first, or one that reads in a way unseen).
    init(connection: Connection, server: Server?, number: Int, unrequested flush: FlushMarks, after before: FlushMarks?)
    {
        self.before = before
        response = Response(connection: connection)
        response.server = server
        response.number = number
        response.begin = flush.firstEnter
        response.protocolName = .opaque
        readAt = flush.firstEnter
        wasUnaccepted = false
    }

    /// More of its request was read.
    mutating func take(_ read: RequestRead) {
        response.requestBytes += read.bytes
        guard response.protocolName == nil else { return }
        let isFirstPiece = headBytes.isEmpty
        if !isFirstPiece { headBytes.append(contentsOf: read.head.prefix(512 - min(512, headBytes.count))) }
        let beginning =
            isFirstPiece
            ? HTTPHead.request(read.head, isWhole: read.head.count >= 512 || read.head.isEmpty)
            : headBytes.withUnsafeBytes { HTTPHead.request($0, isWhole: $0.count >= 512) }
        switch beginning {
        case .http(let head):
            response.method = head.method
            response.target = head.target
            response.protocolName = head.protocolName
        case .incomplete:
            if isFirstPiece { headBytes = Array(read.head) }
            return
        case .http2: response.protocolName = .http2
        case .tls: response.protocolName = .tls
        case .opaque: response.protocolName = .opaque
        }
        headBytes = []
    }

    /// A flush of it left. Returns the flush as it is told.
    mutating func take(_ flush: FlushMarks, tellsFlush: Bool) -> Flush? {
        if flush.firstEnter < readAt { readAt = max(response.begin, min(readAt, flush.firstEnter)) }
        learnFraming(from: flush)
        if let headEnd, response.timeToFirstFlush == nil, response.responseBytes + flush.bytes > headEnd {
            response.timeToFirstFlush = max(0, flush.firstEnter - response.begin)
        }
        if framing == .untilDirectionChange, response.timeToFirstFlush == nil {
            response.timeToFirstFlush = max(0, flush.firstEnter - response.begin)
        }
        if let last {
            response.gapSent.add(max(0, flush.firstEnter - last.enter))
            if last.acked != 0, flush.acked != 0 { response.gapAcked.add(max(0, flush.acked - last.acked)) }
        }
        response.requestBytes += flush.untoldBytes
        response.responseBytes += flush.bytes
        response.flushes += Int64(flush.writes)
        sendTime += flush.sendTime
        blockedTime += flush.blockedTime
        if flush.isMerged || flush.isAckLate { response.isEstimated = true }
        let delivered = measure(flush, tellsFlush: tellsFlush)
        last = flush
        last?.head = HeadBytes(start: nil, count: 0)
        if flush.acked != 0, framing.isComplete(bytes: response.responseBytes, tail: flush.tail) { isComplete = true }
        return delivered
    }

    private mutating func learnFraming(from flush: FlushMarks) {
        guard framing == .unseen else { return }
        switch response.protocolName {
        case .http10, .http11: break
        default: return framing = .untilDirectionChange
        }
        if flush.head.isEmpty { return framing = .untilDirectionChange }
        let beginning: ResponseBeginning
        if headBytes.isEmpty {
            beginning = HTTPHead.response(flush.head)
        } else {
            headBytes.append(contentsOf: flush.head)
            beginning = headBytes.withUnsafeBytes { HTTPHead.response($0) }
        }
        switch beginning {
        case .incomplete where headBytes.count < 2048 && flush.bytes <= Int64(flush.head.count):
            if headBytes.isEmpty {
                headStart = response.responseBytes
                headBytes = Array(flush.head)
            }
        case .http(let head) where head.isInterim: headBytes = []
        case .http(let head):
            if headBytes.isEmpty { headStart = response.responseBytes }
            learn(head)
        case .incomplete, .opaque: framing = .untilDirectionChange
        }
    }

    private mutating func learn(_ head: ResponseHead) {
        response.status = head.status
        response.contentType = head.contentType
        response.protocolName = head.protocolName
        var framed = head
        framed.length += Int(headStart)
        headEnd = Int64(framed.length)
        framing = Framing(head: framed, method: response.method)
        response.isStreaming = framing == .chunked || framing == .untilClose || head.contentType == "text/event-stream"
        headBytes = []
    }

    private mutating func measure(_ flush: FlushMarks, tellsFlush: Bool) -> Flush? {
        let stages = DeliveryStages(flush)
        let times = Int64(max(1, flush.writes))
        response.delivery.send.add(stages.send, times: times)
        if let queue = stages.queue { response.delivery.queue.add(queue, times: times) }
        if let qdisc = stages.qdisc { response.delivery.qdisc.add(qdisc, times: times) }
        if flush.isLoopback {
            response.delivery.driver = response.delivery.driver ?? Distribution()
            response.delivery.driver?.add(0, times: times)
        }
        if let network = stages.network { response.delivery.network.add(network, times: times) }
        if let total = stages.total { response.delivery.total.add(total, times: times) }
        takePressure(flush, oldestUnsent: stages.queue ?? max(0, flush.at - flush.enter))
        let held = flush.blockedTime + (stages.queue ?? 0)
        if flush.isDeviceLimited { heldByDevice += held } else if flush.isCongestionLimited { heldByCongestion += held }
        guard tellsFlush else { return nil }
        return Flush(
            response: response.id, at: flush.enter, bytes: flush.bytes, writes: Int64(flush.writes),
            stages: stages.times,
            total: stages.total, queuedBytes: Int64(flush.queuedBytes), unsentBytes: Int64(flush.unsentBytes))
    }

    private mutating func takePressure(_ flush: FlushMarks, oldestUnsent: Int64) {
        response.pressure.queuedBytesMax = max(response.pressure.queuedBytesMax, Int64(flush.queuedBytes))
        response.pressure.unsentBytesMax = max(response.pressure.unsentBytesMax, Int64(flush.unsentBytes))
        response.pressure.unackedBytesMax = max(response.pressure.unackedBytesMax, Int64(flush.unackedBytes))
        response.pressure.oldestUnsentMax = max(response.pressure.oldestUnsentMax, oldestUnsent)
        response.pressure.sndbufBytes = Int64(flush.sndbufBytes)
        response.pressure.srtt = Int64(flush.srttMicroseconds) * 1000
        rwndBefore = rwndBefore ?? flush.rwndLimitedBefore
        response.pressure.rwndLimited = max(0, flush.rwndLimited - (rwndBefore ?? 0))
        response.pressure.sndbufLimited = max(0, flush.sndbufLimited - (before?.sndbufLimited ?? 0))
        response.pressure.retransmits = Int64(flush.retransmits &- (before?.retransmits ?? 0))
    }

    /// How many its server had in flight when it began, itself included.
    mutating func setInFlight(begin count: Int) { response.inFlight = CountRange(begin: count, end: count, max: count) }

    /// Something of it is not known.
    mutating func markEstimated() { response.isEstimated = true }

    /// Bytes that were sent and whose record was lost: counted by sequence number.
    mutating func addLost(bytes: Int64) {
        response.responseBytes += bytes
        response.isEstimated = true
    }

    /// As it stands at `end`: the ACK of its last byte, or the end of its connection, or (open) now.
    func told(at end: Nanoseconds, endedBy ending: Ending?) -> Response {
        var told = response
        told.state = ending == nil ? .open : .ended
        told.endedBy = ending
        told.end = max(told.begin, end)
        told.timeline = timeline(until: told.end)
        told.causes = causes(of: told.timeline)
        if let network = told.timeline[.network], let srtt = told.pressure.srtt, last?.acked ?? 0 != 0 {
            told.ackDelay = max(0, network - srtt)
        }
        return told
    }

    /// The moment at which its last byte was acknowledged, 0 if it was not.
    var acknowledgedAt: Nanoseconds { last?.acked ?? 0 }

    private func timeline(until end: Nanoseconds) -> StageTimes {
        var timeline = Timeline(begin: response.begin, end: end)
        timeline.advance(to: readAt, in: wasUnaccepted ? .accept : .read)
        guard let last else {
            timeline.finish(in: .app)
            return timeline.stages
        }
        // The last byte may leave before its send call returns: from then on it is on its way.
        let left = last.queued != 0 && last.queued < last.exit ? last.queued : last.exit
        timeline.advance(to: left, sending: sendTime - (last.exit - left), blocked: blockedTime)
        timeline.advance(to: last.queued, in: .queue)
        timeline.advance(to: last.transmitted, in: .qdisc)
        if !last.isLoopback { timeline.setUnknown(.driver) }
        timeline.advance(to: last.acked, in: .network)
        timeline.finish(in: last.acked != 0 ? .app : last.transmitted != 0 ? .network : .queue)
        return timeline.stages
    }

    /// Splits `blocked` and `queue` by the socket's own clocks, and by what limited its flushes.
    private func causes(of timeline: StageTimes) -> [WaitCause: Int64] {
        let held = (timeline[.blocked] ?? 0) + (timeline[.queue] ?? 0)
        let peer = min(held, response.pressure.rwndLimited)
        let rest = held - peer
        var causes: [WaitCause: Int64] = [.peerWindow: peer, .congestionWindow: 0, .qdisc: 0, .other: 0]
        let cause: WaitCause =
            heldByDevice > heldByCongestion ? .qdisc : heldByCongestion > 0 ? .congestionWindow : .other
        causes[cause] = rest
        return causes
    }
}
