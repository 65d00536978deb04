// SPDX-License-Identifier: MIT
import TailraceModel

/// Looks for a response's head in its send calls, and finds from it what marks the response's end.
struct HeadSearch {
    private(set) var framing = Framing.unseen
    /// Where the head begins and ends, counted from the response's first byte; interim heads (1xx) come before.
    private(set) var start: Int64 = 0
    private(set) var end: Int64?
    /// Of a head that comes in several calls.
    private var bytes: [UInt8] = []

    /// For the next response.
    mutating func restart() {
        framing = .unseen
        if !bytes.isEmpty { bytes = [] }
        start = 0
        end = nil
    }

    /// It was under way when tracing began.
    mutating func adopt() { framing = .adopted }

    /// Nothing in the response tells where it ends.
    mutating func giveUp() { framing = .untilDirectionChange }

    /// The head has begun behind `responseBytes`, and its end was not seen yet: not so behind interim heads alone.
    func isOpen(after responseBytes: Int64) -> Bool { framing == .unseen && responseBytes > start }

    /// The head of the first call, whole: what nearly every response has. nil: it is something else, or the call holds more
    /// than its response.
    mutating func takeFirst(_ sent: SentHead, to method: RequestMethod, _ texts: inout TextCache) -> KnownHead? {
        guard framing == .unseen, bytes.isEmpty, !sent.isEnding,
            case .http(let head) = HTTPHead.response(sent.head, isWhole: sent.callBytes > Int64(sent.head.count)),
            !head.isInterim, head.fills(callOf: sent.callBytes, toHead: method == .head)
        else { return nil }
        let known = KnownHead(head, &texts)
        learn(known, to: method)
        return known
    }

    /// A flush left, with the `head` of its call if one was told, behind `responseBytes`. Returns the response's own head where
    /// that ends in it.
    mutating func take(
        _ head: PendingHead?, after responseBytes: Int64, to method: RequestMethod, _ texts: inout TextCache
    ) -> KnownHead? {
        guard let head else {
            // An interim head that was told whole may be handed over in pieces.
            if responseBytes >= start { giveUp() }
            return nil
        }
        if !bytes.isEmpty { return goOn(with: head, after: responseBytes, to: method, &texts) }
        start = responseBytes + head.offset
        switch head.beginning {
        case .http(let known) where known.isInterim: start += Int64(known.length ?? 0)
        case .http(let known):
            learn(known, to: method)
            return known
        case .incomplete: return goOn(with: head, after: responseBytes, to: method, &texts)
        case .opaque, .unread: giveUp()
        }
        return nil
    }

    /// The next piece of a head that comes in several calls; interim heads may be among them.
    private mutating func goOn(
        with head: PendingHead, after responseBytes: Int64, to method: RequestMethod, _ texts: inout TextCache
    ) -> KnownHead? {
        // What a call could not hand over is in the next one again.
        let taken = Int(clamping: max(0, responseBytes - start))
        if bytes.count > taken { bytes.removeLast(bytes.count - taken) }
        bytes.append(contentsOf: head.bytes)
        let isWhole = head.isCut || bytes.count >= PendingHead.longestHead
        while !bytes.isEmpty {
            switch bytes.withUnsafeBytes({ Piece($0, isWhole: isWhole, &texts) }) {
            case .incomplete: return nil
            case .interim(let length):
                start += Int64(length)
                bytes.removeFirst(length)
            case .head(let known):
                learn(known, to: method)
                bytes = []
                return known
            case .opaque:
                giveUp()
                bytes = []
            }
        }
        return nil
    }

    /// What the bytes so far begin with.
    private enum Piece {
        case incomplete, opaque
        case interim(Int)
        case head(KnownHead)

        init(_ bytes: HeadBytes, isWhole: Bool, _ texts: inout TextCache) {
            switch HTTPHead.response(bytes, isWhole: isWhole) {
            case .http(let head) where head.isInterim: self = .interim(head.length ?? bytes.count)
            case .http(let head): self = .head(KnownHead(head, &texts))
            case .incomplete: self = .incomplete
            case .opaque: self = .opaque
            }
        }
    }

    private mutating func learn(_ head: KnownHead, to method: RequestMethod) {
        end = head.length.map { start + Int64($0) }
        framing = Framing(head: head, endingAt: end, method: method)
    }
}
