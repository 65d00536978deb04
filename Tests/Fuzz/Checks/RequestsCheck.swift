// SPDX-License-Identifier: MIT
import NIOCore
import NIOEmbedded

@testable import TailraceService

/// A connection of the service without the kernel: whatever comes in whatever pieces, whoever answers when, every reply is one, and
/// the account adds up.
enum RequestsCheck {
    /// The first byte chooses, the rest is sent.
    private struct Choices {
        let pieceBytes: Int
        /// Requests are answered when all was sent.
        let isLate: Bool
        let isFeed: Bool
        let isLetGo: Bool
        let halfCloses: Bool

        init(_ byte: UInt8) {
            pieceBytes = [1, 7, 100, 1 << 16][Int(byte & 3)]
            (isLate, isFeed, isLetGo) = (byte & 4 != 0, byte & 8 != 0, byte & 16 != 0)
            halfCloses = byte & 32 != 0
        }
    }

    static func wrong(with bytes: UnsafeRawBufferPointer) -> String? {
        guard let first = bytes.first else { return nil }
        do { return try talk(Array(bytes.dropFirst()), Choices(first)) } catch { return "\(error)" }
    }

    private static func talk(_ bytes: [UInt8], _ choices: Choices) throws -> String? {
        var limits = ServiceLimits()
        limits.requestsPerSecond = 1_000_000
        let inbox = Inbox()
        let reception = Reception(inbox: inbox, limits: limits)
        let channel = EmbeddedChannel()
        try reception.receive(channel, at: .remote(paths: ["/", "/a", "/metrics"]))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        var rest = ByteBuffer(bytes: bytes)
        while channel.isActive, let piece = rest.readSlice(length: min(rest.readableBytes, choices.pieceBytes)),
            piece.readableBytes > 0
        {
            try channel.writeInbound(piece)
            if !choices.isLate { answer(inbox, choices, channel) }
        }
        if choices.halfCloses { channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        answer(inbox, choices, channel)
        var replies: [UInt8] = []
        while let piece = try channel.readOutbound(as: ByteBuffer.self) {
            replies.append(contentsOf: piece.readableBytesView)
        }
        _ = try? channel.finish(acceptAlreadyClosed: true)
        _ = inbox.take()
        channel.embeddedEventLoop.run()
        return wrong(with: replies) ?? wrong(with: reception.tally.now)
    }

    private static func answer(_ inbox: Inbox, _ choices: Choices, _ channel: EmbeddedChannel) {
        // An answer brings the next request of those that came at once.
        while true {
            let requests = inbox.take()
            if requests.isEmpty { break }
            for request in requests where !choices.isLetGo {
                if choices.isFeed {
                    let feed = request.stream(type: "text/plain")
                    feed.send(Array("a piece".utf8))
                    feed.end()
                } else {
                    request.answer(status: 200, type: "text/plain", Array("whole".utf8))
                }
            }
            channel.embeddedEventLoop.run()
        }
        channel.embeddedEventLoop.run()
    }

    private static func wrong(with replies: [UInt8]) -> String? {
        if replies.isEmpty { return nil }
        let text = String(decoding: replies, as: UTF8.self)
        guard text.hasPrefix("HTTP/1.1 ") || text.hasPrefix("HTTP/1.0 ") else { return "a reply is \(text.prefix(40))" }
        return nil
    }

    private static func wrong(with account: ServiceAccount) -> String? {
        if account.accepted != 1 || account.open != 0 || account.closed != 1 { return "clients: \(account)" }
        let over = account.answered + account.streams + account.turnedAway + account.abandoned
        if account.requests != over { return "requests: \(account)" }
        return account.malformed <= 1 && account.dropped == 0 && account.timedOut == 0 ? nil : "ends: \(account)"
    }
}
