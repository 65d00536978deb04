// SPDX-License-Identifier: MIT
import NIOCore
import NIOHTTP1

/// Says of bytes that are no whole head, and too many, what the decoder says of fields that are too long: the next handler expects a
/// reply to that, and to nothing else.
final class OverflowHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let isOverflow = error is ByteToMessageDecoderError.PayloadTooLargeError
        context.fireErrorCaught(isOverflow ? HTTPParserError.headerOverflow : error)
    }
}
