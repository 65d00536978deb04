// SPDX-License-Identifier: MIT
import NIOCore

/// Says why a client is not served, and lets it go; what it sends is let go too.
final class RefusalHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let answer: Answer
    private let reception: Reception
    private let mayRead: Bool

    init(_ answer: Answer, reception: Reception, mayRead: Bool) {
        (self.answer, self.reception, self.mayRead) = (answer, reception, mayRead)
    }

    func channelActive(context: ChannelHandlerContext) {
        guard mayRead else { return context.close(promise: nil) }
        let head =
            "HTTP/1.1 \(answer.status) \(answer.status == 403 ? "Forbidden" : "Service Unavailable")\r\n"
            + "Content-Type: \(answer.type)\r\nContent-Length: \(answer.bytes.count)\r\nConnection: close\r\n\r\n"
        var bytes = context.channel.allocator.buffer(capacity: head.utf8.count + answer.bytes.count)
        bytes.writeString(head)
        bytes.writeBytes(answer.bytes)
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        context.part(within: reception.limits.parting)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        if mayRead { reception.parted() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension ChannelHandlerContext {
    /// Closed at once with bytes unread, a connection is reset, and its client may lose what it was told: so it is told that this was
    /// all, and has until then to go by itself.
    func part(within time: Int64) {
        let channel = channel
        close(mode: .output, promise: nil)
        let task = eventLoop.scheduleTask(in: .nanoseconds(time)) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in task.cancel() }
    }
}
