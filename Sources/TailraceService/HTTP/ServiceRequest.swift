// SPDX-License-Identifier: MIT

/// A GET or HEAD that waits for its reply. The first of `answer`, `refuse` and `stream` decides, what follows does nothing; none of
/// them waits for the client. One that is let go of without any is answered with 503.
public final class ServiceRequest: Sendable {
    /// Decoded; begins with `/`, and ends with none unless it is all. What is not served there is the taker's to refuse.
    public let path: String
    /// Decoded; what has no `=` is empty.
    public let query: [String: String]
    /// The Accept field as it came, or empty.
    public let accept: String
    /// Who asks.
    public let peer: Peer

    let reply: Reply

    init(_ target: RequestTarget, accept: String, peer: Peer, reply: Reply) {
        (path, query, self.accept, self.peer, self.reply) = (target.path, target.query, accept, peer, reply)
    }

    deinit { reply.answer(.unanswered) }

    /// The whole reply. `status`: of HTTP, 200...599; `type`: a media type.
    public func answer(status: Int, type: String, _ bytes: [UInt8]) {
        reply.answer(Answer(status: status, type: type, bytes: bytes))
    }

    /// `{"error": sentence}`.
    public func refuse(status: Int, _ sentence: String) { reply.answer(Answer(refusal: status, sentence)) }

    /// A reply in pieces, until either side ends it.
    public func stream(type: String) -> Feed { Feed(reply, type: type) }
}
