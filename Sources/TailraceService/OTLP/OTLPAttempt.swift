// SPDX-License-Identifier: MIT
import Glibc
import NIOCore
import NIOHTTP1

/// One body on one connection. Only on its event loop.
final class OTLPAttempt: Sendable {
    enum Failure: Error {
        case timedOut, unreachable, ended
    }

    private let promise: EventLoopPromise<OTLPQueue.Outcome>
    private let channel: NIOLoopBoundBox<(any Channel)?>
    /// What it came to is known: a connection that is made later sends nothing.
    private let isOver: NIOLoopBoundBox<Bool>
    private let head: HTTPRequestHead
    private let body: [UInt8]

    init(loop: any EventLoop, head: HTTPRequestHead, body: [UInt8]) {
        promise = loop.makePromise()
        channel = .makeEmptyBox(eventLoop: loop)
        isOver = .makeBoxSendingValue(false, eventLoop: loop)
        (self.head, self.body) = (head, body)
    }

    var outcome: EventLoopFuture<OTLPQueue.Outcome> { promise.futureResult }

    func begin(on channel: any Channel) throws {
        guard !isOver.value else { throw Failure.timedOut }
        self.channel.value = channel
        var limits = NIOHTTPDecoderLimitConfiguration()
        (limits.maxHeaderFieldSize, limits.maxHeaderListSize) = (1 << 14, 1 << 14)
        let handlers = channel.pipeline.syncOperations
        try handlers.addHandler(HTTPRequestEncoder())
        // It must know that a POST was sent: the decoder sees what is written too.
        try handlers.addHandler(
            ByteToMessageHandler(HTTPResponseDecoder(limitConfiguration: limits), maximumBufferSize: 1 << 16))
        try handlers.addHandler(OTLPReplyHandler(self, head: head, body: body))
    }

    func end(_ outcome: OTLPQueue.Outcome) {
        isOver.value = true
        promise.succeed(outcome)
        channel.value?.close(promise: nil)
    }

    func fail(_ failure: Failure) {
        isOver.value = true
        promise.fail(failure)
        channel.value?.close(promise: nil)
    }
}

/// Sends the body once, and reads what the collector says about it.
private final class OTLPReplyHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private static let mostBytes = 1 << 16

    private let attempt: OTLPAttempt
    private let request: HTTPRequestHead
    private let body: [UInt8]
    private var head: HTTPResponseHead?
    private var reply: [UInt8] = []

    init(_ attempt: OTLPAttempt, head: HTTPRequestHead, body: [UInt8]) {
        (self.attempt, request, self.body) = (attempt, head, body)
    }

    func channelActive(context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.head(request)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(let bytes):
            if reply.count + bytes.readableBytes <= Self.mostBytes { reply.append(contentsOf: bytes.readableBytesView) }
        case .end: finish()
        }
    }

    func channelInactive(context: ChannelHandlerContext) { attempt.fail(.ended) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { attempt.fail(.ended) }

    private func finish() {
        guard let head else { return }
        let pause = head.headers.first(name: "retry-after").flatMap { OTLPReply.pause(retryAfter: $0, wall: time(nil)) }
        attempt.end(
            OTLPQueue.Outcome(
                status: Int(head.status.code), retryAfter: pause, rejected: OTLPReply.rejected(in: reply)))
    }
}
