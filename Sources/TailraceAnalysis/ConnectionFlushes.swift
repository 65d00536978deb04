// SPDX-License-Identifier: MIT
import TailraceModel

/// What leaves on a connection: which response a flush belongs to, or which parts of it to which.
extension ConnectionTracker {
    /// A send call began.
    mutating func take(_ sent: SentHead, _ context: inout TrackingContext) {
        if waiting.isEmpty, heads.isEmpty, isOpen, current.takeFirst(sent, &context.texts) { return isHeadKnown = true }
        heads.take(sent, &context.texts)
    }

    /// A flush left, or was given up.
    mutating func take(_ flush: FlushMarks, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void) {
        if flush.acked == 0, givenUp.count < Self.givenUpLimit {
            givenUp.append(flush)
        } else {
            divide(flush, &context, tell)
        }
    }

    /// A flush may hold the ends and beginnings of several responses, where their calls shared it.
    mutating func divide(
        _ flush: FlushMarks, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        if isOpen, doubt.divides(flush, flushes: current.response.flushes, sequence: nextSequence) {
            abandon(at: flush.firstEnter, &context, tell)
        }
        if let nextSequence, flush.sequenceStart != nextSequence, isOpen {
            let lost = Int64(Int32(bitPattern: flush.sequenceStart &- nextSequence))
            if lost > 0 { current.addLost(bytes: lost) } else { current.markEstimated() }
        }
        nextSequence = flush.sequenceEnd
        var found = isHeadKnown
        isHeadKnown = false
        if heads.isEmpty {
            takePart(flush, head: nil, &context, tell)
        } else if divideByHeads(flush, &context, tell) {
            found = true
        }
        if flush.isHeadTold, !found, isOpen { current.markEstimated() }
    }

    /// Whether a head of it was there.
    private mutating func divideByHeads(
        _ flush: FlushMarks, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) -> Bool {
        var found = false
        var rest = flush
        var begun: PendingHead?
        while let head = heads.next(before: flush.sequenceEnd) {
            if head.callEnd == flush.sequenceEnd { rest.endsChunks = head.endsChunks }
            if head.isEnding { continue }
            found = true
            if head.sequence == rest.sequenceStart {
                begun = head
            } else if head.isHTTP || head.isBehindEnd && !waiting.isEmpty,
                Int32(bitPattern: head.sequence &- rest.sequenceStart) > 0
            {
                var part = rest.divided(at: head)
                // The read may have come before any of the calls that share the flush: before one with a head, surely.
                part.isAfterRead = part.isAfterRead && begun?.isHTTP == true
                takePart(part, head: begun, &context, tell)
                begun = head
            } else if let before = begun, Int32(bitPattern: before.callEnd &- head.sequence) >= 0 {
                begun?.append(head)
            }
        }
        takePart(rest, head: begun, &context, tell)
        return found
    }

    private mutating func takePart(
        _ flush: FlushMarks, head: PendingHead?, _ context: inout TrackingContext,
        _ tell: (borrowing Actions) -> Void
    ) {
        if !waiting.isEmpty, isBoundary(flush, head) { endBefore(flush, &context, tell) }
        guard isOpen || flush.bytes > 0 || !waiting.isEmpty else { return }
        if !isOpen { beginForFlush(flush, head, &context) }
        if let held = flush.held {
            let limited = flush.rwndLimited - flush.rwndLimitedBefore
            hold(
                from: held.begin, to: held.end, flush.holder(rwndLimited: limited, of: held.end - held.begin), &context)
        }
        let stages = DeliveryStages(flush)
        current.take(flush, stages, head: head, &context.texts)
        if context.tellsFlushes, flush.bytes > 0 {
            Actions.leave(Flush(flush, stages, of: current.response, gaps: current.gaps), tell)
        }
        counters.retransmits = flush.retransmits
        counters.sndbufLimited = flush.sndbufLimited
        counters.isStale = false
        if current.isComplete {
            endAndGoOn(.complete, at: flush.acked, &context, tell)
        }
    }

    /// The next response begins with `flush`.
    private mutating func endBefore(
        _ flush: FlushMarks, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        if current.acknowledgedAt != 0 { return end(.complete, at: current.acknowledgedAt, &context, tell) }
        if let ended = closing.ended { return end(ended.how, at: ended.at, &context, tell) }
        current.markEstimated()
        end(.unknown, at: flush.firstEnter, &context, tell)
    }

    /// A flush after a read answers the waiting request where the response in the making cannot say that it goes on.
    private func isBoundary(_ flush: FlushMarks, _ head: PendingHead?) -> Bool {
        guard isOpen, current.response.flushes > 0 else { return false }
        return switch current.framing {
        case .untilDirectionChange, .adopted: flush.isAfterRead || head?.isHTTP ?? false
        case .length, .chunked: head.map { $0.isHTTP || $0.isBehindEnd } ?? false
        // What does not look like a head goes on with one.
        case .unseen: current.isHeadOpen && head?.isHTTP ?? flush.isAfterRead
        case .untilClose: false
        }
    }
}
