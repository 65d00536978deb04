// SPDX-License-Identifier: MIT
import TailraceModel

/// What is read of a connection: which request begins, goes on, or waits.
extension ConnectionTracker {
    /// One read may bring the end of one request and several others.
    mutating func take(_ read: RequestRead, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void) {
        adopted = nil
        if doubt.isThere, doubt.ends(with: read) {
            abandon(at: read.readable != 0 ? read.readable : read.at, &context, tell)
        }
        var rest = read
        while rest.bytes > 0 {
            let (part, bytes) = requests.next(of: rest, isIdle: !isOpen)
            if bytes >= rest.bytes { return take(rest, as: part, &context, tell) }
            let piece = rest.divided(after: bytes)
            take(piece, as: part, &context, tell)
        }
    }

    private mutating func take(
        _ read: RequestRead, as part: RequestStream.Part, _ context: inout TrackingContext,
        _ tell: (borrowing Actions) -> Void
    ) {
        switch part {
        case .same: takeMore(read, &context)
        case .next(let head): takeNext(read, head, &context, tell)
        case .opaque where isOpen && !read.isFirst: takeMore(read, &context)
        case .opaque: takeNext(read, nil, &context, tell)
        }
    }

    private mutating func takeNext(
        _ read: RequestRead, _ head: RequestHead?, _ context: inout TrackingContext, _ tell: (borrowing Actions) -> Void
    ) {
        // Behind its FIN a server reads what the client still sends, and can answer nothing of it.
        if closing.hasServerFin { return }
        guard isOpen else { return begin(read, head, &context) }
        if requests.protocolName == .http2 { current.settle(as: .http2) }
        switch current.framing {
        case .untilDirectionChange where read.outstanding == 0, .adopted where read.outstanding == 0:
            end(.complete, at: current.acknowledgedAt, &context, tell)
            if waiting.isEmpty { begin(read, head, &context) } else { goOn(with: read, head, &context, tell) }
        case .untilClose: takeMore(read, &context)
        default: wait(read)
        }
    }

    /// The client speaks again while requests wait that nothing was seen to answer.
    private mutating func goOn(
        with read: RequestRead, _ head: RequestHead?, _ context: inout TrackingContext,
        _ tell: (borrowing Actions) -> Void
    ) {
        if requests.protocolName == .http11 {
            // The answers of some were in the bytes that just ended, and nobody saw of how many.
            doubt.arise()
            beginWaiting(&context)
            endAll(.unknown, isEstimated: true, at: read.readable != 0 ? read.readable : read.at, &context, tell)
            begin(read, head, &context)
        } else {
            // What has no answer of its own is one request with what follows it.
            wait(read)
            waiting.merge()
            beginWaiting(&context)
        }
    }

    /// More of the newest request. Where its response has ended before it, nothing waits for that.
    private mutating func takeMore(_ read: RequestRead, _ context: inout TrackingContext) {
        if !waiting.isEmpty {
            waiting.append(read)
        } else if isOpen {
            current.take(read, &context.texts)
        }
    }

    mutating func wait(_ read: RequestRead) {
        doubt.sawPipelining()
        waiting.add(read)
    }
}
