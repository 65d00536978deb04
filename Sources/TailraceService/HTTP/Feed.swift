// SPDX-License-Identifier: MIT

/// A reply in pieces, until either side ends it. A client that does not take them is dropped: nobody waits for it. One that is let
/// go of without an end is cut off, so that its client knows that there was more.
public final class Feed: Sendable {
    private let reply: Reply

    init(_ reply: Reply, type: String) {
        self.reply = reply
        reply.begin(type: type)
    }

    deinit { reply.end(isWhole: false) }

    /// false: the client is gone, or was dropped because more than `ServiceLimits.feedBytes` would be unsent. Never waits.
    @discardableResult
    public func send(_ bytes: [UInt8]) -> Bool { reply.send(bytes) }

    /// The last piece was sent.
    public func end() { reply.end(isWhole: true) }

    /// Whether there is still somebody to send to.
    public var isOpen: Bool { reply.isStreaming }
}
