// SPDX-License-Identifier: MIT
import NIOCore
import NIOHTTP1

// What a client is given. The end of a reply is written when its bytes were taken: a client that asks and does not read is not
// asked for its next request.
extension ClientHandler {
    /// So that it shows when a client takes some of a long reply.
    private static let pieceBytes = 1 << 16

    func send(_ answer: Answer, for reply: Reply) {
        if isCurrent(reply), phase == .waiting { write(answer, isCounted: true) }
    }

    func begin(type: String, for reply: Reply) {
        guard isCurrent(reply), phase == .waiting, let context else { return }
        reception.tally.add { $0.streams += 1 }
        (phase, isComplete, isCounted) = (.streaming, false, false)
        if head.method != .HEAD {
            return context.writeAndFlush(wrapOutboundOut(.head(replyHead(200, type, length: nil))), promise: nil)
        }
        // Its end would be a chunk, and so a body.
        isLast = true
        reply.isGone()
        context.writeAndFlush(wrapOutboundOut(.head(replyHead(200, type, length: nil))), promise: nil)
        part()
    }

    func send(_ bytes: [UInt8], for reply: Reply) {
        guard isCurrent(reply), phase == .streaming, let context else { return }
        let count = bytes.count
        write(ByteBuffer(bytes: bytes)) { reply.wasSent(count) }
        if isFlushDue { return }
        // Once for all pieces that wait for the loop.
        isFlushDue = true
        context.eventLoop.assumeIsolated().execute {
            self.isFlushDue = false
            self.context?.flush()
        }
    }

    func end(for reply: Reply) {
        guard isCurrent(reply), phase == .streaming else { return }
        isComplete = true
        finishIfTaken()
    }

    func drop(for reply: Reply) {
        guard isCurrent(reply) else { return }
        reception.tally.add { $0.dropped += 1 }
        leave()
    }

    func cut(for reply: Reply) {
        if isCurrent(reply) { leave() }
    }

    private func isCurrent(_ reply: Reply) -> Bool { self.reply === reply && phase != .gone }

    func write(_ answer: Answer, isCounted: Bool) {
        guard let context else { return }
        (phase, isComplete, self.isCounted) = (.replying, true, isCounted)
        watch.heard()
        let head = replyHead(answer.status, answer.type, length: answer.bytes.count)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        var rest = ByteBuffer(bytes: self.head.method == .HEAD ? [] : answer.bytes)
        repeat {
            write(rest.readSlice(length: min(rest.readableBytes, Self.pieceBytes)) ?? ByteBuffer())
        } while rest.readableBytes > 0
        context.flush()
        keepWatch()
    }

    private func write(_ piece: ByteBuffer, whenTaken: @escaping () -> Void = {}) {
        guard let context else { return }
        let isFirst = watch.pieces == 0
        watch.wrote(at: Clock.now)
        if isFirst { keepWatch() }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.watch.wasTaken(at: Clock.now)
            guard case .success = result else { return self.wasLost() }
            whenTaken()
            self.finishIfTaken()
        }
        context.write(wrapOutboundOut(.body(.byteBuffer(piece))), promise: promise)
    }

    /// The connection ended with bytes of a reply.
    private func wasLost() {
        guard isCounted else { return }
        isCounted = false
        reception.tally.add { $0.abandoned += 1 }
    }

    private func finishIfTaken() {
        guard isComplete, watch.pieces == 0, let context, phase == .replying || phase == .streaming else { return }
        if isCounted { reception.tally.add { $0.answered += 1 } }
        (isComplete, isCounted, hasBeenServed, reply) = (false, false, true, nil)
        let isLast = isLast
        if !isLast {
            // Before the end is written: it brings the next request, when that is there already.
            phase = .listening
            watch.listen(at: Clock.now)
            reception.listens(place.number, at: Clock.now)
            keepWatch()
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        if isLast { part() }
    }

    private func part() {
        phase = .parting
        reply = nil
        keepWatch()
        context?.part(within: reception.limits.parting)
    }

    private func replyHead(_ status: Int, _ type: String, length: Int?) -> HTTPResponseHead {
        var fields: HTTPHeaders = [
            "Content-Type": type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
        ]
        if let length { fields.add(name: "Content-Length", value: String(length)) }
        if status == 405 { fields.add(name: "Allow", value: "GET, HEAD") }
        if status == 503 { fields.add(name: "Retry-After", value: "1") }
        if isLast { fields.add(name: "Connection", value: "close") }
        let version = head.version == .http1_0 ? HTTPVersion.http1_0 : .http1_1
        return HTTPResponseHead(version: version, status: .init(statusCode: status), headers: fields)
    }
}
