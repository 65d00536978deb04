// SPDX-License-Identifier: MIT
import NIOCore
import NIOHTTP1
import TailraceModel

/// One client: its requests one after the other, and what it is given, until one side has enough. Only on its event loop.
final class ClientHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    enum Phase {
        /// It may send a request.
        case listening
        /// Its head is there, the end of the request is not.
        case judged
        /// Nobody has answered yet.
        case waiting
        /// Bytes of a whole reply are on their way.
        case replying
        case streaming
        /// It was told the last: what it still sends is let go.
        case parting
        case gone
    }

    let reception: Reception
    private let peer: Peer
    /// The only ones for it; nil: all.
    private let paths: Set<String>?
    let place: Admission.Place
    /// Where nothing else may be asked.
    private static let health = "/v1/health"

    var context: ChannelHandlerContext?
    var phase = Phase.listening
    /// Of the request in hand.
    var reply: Reply?
    var head = ClientHandler.noHead
    var watch: ClientWatch
    /// The reply in hand is the last.
    var isLast = false
    var hasBeenServed = false
    /// No piece comes after those that were written.
    var isComplete = false
    /// The taker's reply, not one of our own.
    var isCounted = false
    var isFlushDue = false
    /// Its place is somebody else's while it reads why.
    private var hasGivenUp = false
    private var verdict: RequestRules.Verdict?
    private var timer: Scheduled<Void>?

    private static let noHead = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")

    init(reception: Reception, peer: Peer, paths: Set<String>?, place: Admission.Place) {
        (self.reception, self.peer, self.paths, self.place) = (reception, peer, paths, place)
        watch = ClientWatch(limits: reception.limits, isBrief: place.isForHealth)
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        watch.listen(at: Clock.now)
        keepWatch()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if phase == .waiting { reception.tally.add { $0.abandoned += 1 } }
        phase = .gone
        reply?.isGone()
        reply = nil
        timer?.cancel()
        timer = nil
        self.context = nil
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        reception.left(place.number)
        if hasGivenUp { reception.parted() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), phase) {
        case (.head(let head), .listening): judge(head)
        case (.end, .judged): submit()
        default: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return }
        isLast = true
        if phase == .listening || phase == .parting { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard phase == .listening || phase == .judged else {
            // Of bytes that come after the last that is listened to.
            if !(error is HTTPParserError) { leave() }
            return
        }
        head = Self.noHead
        switch error {
        case HTTPParserError.headerOverflow:
            refuse(Answer(refusal: 431, "the head of a request has at most \(reception.limits.headBytes) bytes here"))
        case is HTTPParserError: refuse(Answer(refusal: 400, "these bytes are no request of HTTP/1.1"))
        default: leave()
        }
    }

    /// Without another word. What the decoder says about a head that is cut off by that is no fault of the client.
    func leave() {
        if phase == .waiting { reception.tally.add { $0.abandoned += 1 } }
        phase = .gone
        context?.close(promise: nil)
    }
}

// Requests.
extension ClientHandler {
    private func judge(_ head: HTTPRequestHead) {
        self.head = head
        isLast = isLast || !head.isKeepAlive || head.version != .http1_1 || place.isForHealth
        phase = .judged
        watch.heard()
        reception.asked(place.number)
        let verdict = RequestRules.verdict(on: head, paths: paths)
        self.verdict = verdict
        if case .malformed(let answer) = verdict { refuse(answer) }
    }

    private func submit() {
        guard let context, let verdict else { return }
        let reply = Reply(
            to: NIOLoopBound(self, eventLoop: context.eventLoop), mostUnsent: reception.limits.feedBytes)
        self.reply = reply
        phase = .waiting
        reception.tally.add { $0.requests += 1 }
        switch verdict {
        case .malformed: break
        case .absent(let answer): write(answer, isCounted: true)
        case .taken(let target) where place.isForHealth && target.path != Self.health:
            giveUpPlace()
        case .taken(let target):
            let accept = head.headers["accept"].joined(separator: ", ")
            let request = ServiceRequest(target, accept: accept, peer: peer, reply: reply)
            if !reception.submit(request, at: Clock.now) { turnAway() }
        }
    }

    /// Too often, or too many wait: said at once, and counted as such.
    private func turnAway() {
        reception.tally.add { $0.turnedAway += 1 }
        reply?.isGone()
        write(Answer(refusal: 503, "there are too many requests; ask less often"), isCounted: false)
    }

    /// There was one for a question about the health only.
    private func giveUpPlace() {
        reception.tally.add { $0.turnedAway += 1 }
        reply?.isGone()
        hasGivenUp = reception.parts(from: place.number)
        if hasGivenUp { write(Reception.tooMany, isCounted: false) } else { leave() }
    }

    /// The last that it hears.
    private func refuse(_ answer: Answer) {
        reception.tally.add { $0.malformed += 1 }
        isLast = true
        write(answer, isCounted: false)
    }
}

// Time.
extension ClientHandler {
    /// To be called whenever something begins that may last too long.
    func keepWatch() {
        timer?.cancel()
        timer = nil
        guard let context else { return }
        switch watch.verdict(at: Clock.now) {
        case .fine(let next?):
            timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: Clock.deadline(next)) { self.keepWatch() }
        case .fine(nil): break
        case .silent:
            reception.tally.add { hasBeenServed ? ($0.idled += 1) : ($0.timedOut += 1) }
            leave()
        case .stalled:
            reception.tally.add { $0.dropped += 1 }
            leave()
        }
    }
}
