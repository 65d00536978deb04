// SPDX-License-Identifier: MIT
import TailraceModel
import Testing
import Traffic

@testable import TailraceAnalysis

/// A correlator that hears a conversation, and what it told.
private struct Listener {
    private var correlator = Correlator(tellsFlushes: true)
    private(set) var told: [String] = []
    private var now: Int64 = 1000
    private let hearsTargets: Bool

    init(hearsTargets: Bool = true) {
        self.hearsTargets = hearsTargets
        let endpoint = Endpoint(ipv4: true, bytes: (0, 0), port: 80)
        let connection = Connection(cookie: 7, local: endpoint, remote: endpoint, established: 0)
        let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)
        take(.socketUsed(SocketUse(connection: connection, server: server, at: 1)))
    }

    private mutating func take(_ event: KernelEvent) {
        var words: [String] = []
        let hearsTargets = hearsTargets
        correlator.take(event) { actions in
            for response in actions.ended { words.append(Listener.words(of: response, hearsTargets)) }
            if let flush = actions.flush { words.append("flush \(flush.number) \(flush.bytes) \(flush.writes)") }
        }
        told += words
    }

    private static func words(of response: Response, _ hearsTargets: Bool) -> String {
        let target = hearsTargets ? response.target : nil
        let texts = [response.method, target, response.contentType, response.protocolName?.rawValue]
            .map { $0 ?? "-" }
        return texts.joined(separator: " ")
            + " \(response.status ?? 0) \(response.requestBytes) \(response.responseBytes) \(response.flushes) "
            + "\(response.endedBy?.rawValue ?? "open") \(response.isStreaming) \(response.isEstimated) "
            + "\(response.timeToFirstFlush ?? -1)"
    }

    mutating func hear(_ event: Conversation.Event) {
        now += 1000
        switch event {
        case .read(let bytes, let count, let sequenceEnd, let isFirst, let outstanding):
            bytes.withUnsafeBytes { bytes in
                var read = RequestRead()
                (read.socket, read.readable, read.at) = (7, now - 100, now)
                (read.bytes, read.sequenceEnd) = (Int64(count), sequenceEnd)
                (read.isFirst, read.outstanding, read.head) = (isFirst, outstanding, bytes)
                withUnsafePointer(to: &read) { take(.requestRead($0)) }
            }
        case .sent(let bytes, let sequence, let callBytes, let isEnding):
            bytes.withUnsafeBytes { bytes in
                var sent = SentHead()
                (sent.socket, sent.at, sent.sequence) = (7, now, sequence)
                (sent.callBytes, sent.isEnding, sent.head) = (callBytes, isEnding, bytes)
                withUnsafePointer(to: &sent) { take(.headSent($0)) }
            }
        case .flush(let start, let end, let tail, let isAfterRead, let isHeadTold):
            var flush = FlushMarks()
            (flush.socket, flush.at, flush.firstEnter, flush.enter) = (7, now, now - 90, now - 90)
            (flush.exit, flush.queued, flush.transmitted, flush.acked) = (now - 80, now - 70, now - 60, now)
            (flush.sequenceStart, flush.sequenceEnd, flush.writes) = (start, end, 1)
            (flush.tail, flush.isAfterRead, flush.isHeadTold) = (tail, isAfterRead, isHeadTold)
            withUnsafePointer(to: &flush) { take(.flushLeft($0)) }
        case .closed:
            take(
                .stateChanged(
                    StateChange(socket: 7, at: now, old: .established, new: .closed, error: 0, unackedBytes: 0)))
        }
    }
}

extension SentHead {
    fileprivate init(at sequence: UInt32, callBytes: Int64, isEnding: Bool = false, socket: UInt64 = 7) {
        self.init()
        (self.socket, self.sequence, self.callBytes, self.isEnding) = (socket, sequence, callBytes, isEnding)
    }
}

@Suite("Payload that is kept")
struct HeadRedactorTests {
    private func redacted(_ events: [Conversation.Event], _ redactor: inout HeadRedactor) -> [Conversation.Event] {
        events.map { event in
            switch event {
            case .read(var bytes, let count, let sequenceEnd, let isFirst, let outstanding):
                var read = RequestRead()
                (read.socket, read.bytes, read.sequenceEnd, read.isFirst) = (7, Int64(count), sequenceEnd, isFirst)
                bytes.withUnsafeMutableBytes { redactor.redactRequest($0, of: read) }
                return .read(
                    bytes, count: count, sequenceEnd: sequenceEnd, isFirst: isFirst, outstanding: outstanding)
            case .sent(var bytes, let sequence, let callBytes, let isEnding):
                let sent = SentHead(at: sequence, callBytes: callBytes, isEnding: isEnding)
                bytes.withUnsafeMutableBytes { redactor.redactResponse($0, of: sent) }
                return .sent(bytes, sequence: sequence, callBytes: callBytes, isEnding: isEnding)
            case .flush(let start, let end, let tail, let isAfterRead, let isHeadTold):
                return .flush(
                    start: start, end: end, tail: redactor.redactTail(tail), isAfterRead: isAfterRead,
                    isHeadTold: isHeadTold)
            case .closed:
                redactor.forget(socket: 7)
                return event
            }
        }
    }

    private func told(of events: [Conversation.Event], targets: Bool = true) -> [String] {
        var listener = Listener(hearsTargets: targets)
        for event in events { listener.hear(event) }
        return listener.told
    }

    private func text(of events: [Conversation.Event]) -> String {
        let bytes: [[UInt8]] = events.map { event in
            switch event {
            case .read(let bytes, _, _, _, _), .sent(let bytes, _, _, _): bytes
            case .flush(_, _, let tail, _, _): withUnsafeBytes(of: tail) { Array($0) }
            case .closed: []
            }
        }
        return bytes.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "|")
    }

    @Test("tells the same responses as all of it, however it is cut", arguments: 0..<15)
    func same(seed: Int) {
        for round in 0..<100 {
            let conversation = Conversation(seed: seed * 1000 + round, .plain)
            var redactor = HeadRedactor()
            let kept = redacted(conversation.events, &redactor)
            #expect(
                told(of: conversation.events) == told(of: kept),
                "\(text(of: conversation.events).debugDescription) \(text(of: kept).debugDescription)")
            #expect(redactor.remembered == 0, "nothing is remembered of a connection that is gone")
        }
    }

    @Test("without paths, tells the same responses but for their targets, and has none", arguments: 0..<15)
    func withoutPaths(seed: Int) {
        for round in 0..<100 {
            let conversation = Conversation(seed: seed * 1000 + round, .plain)
            var redactor = HeadRedactor(hidingPaths: true)
            let kept = redacted(conversation.events, &redactor)
            // In both: a target of the redacted ones would stand out.
            #expect(told(of: conversation.events, targets: false) == told(of: kept))
            for path in [" /", " *", "://"] { #expect(!text(of: kept).contains(path)) }
        }
    }

    @Test("a request without its path reads like this, in one piece or in many")
    func exampleWithoutPath() {
        let head = "GET http://u:p@host/private/path?q=1 HTTP/1.1\r\nCookie: a=/b\r\nContent-Length: 3\r\n\r\n"
        for length in [head.utf8.count, 30, 5, 1] {
            var redactor = HeadRedactor(hidingPaths: true)
            var kept = ""
            var rest = Array(head.utf8)[...]
            var end: UInt32 = 1
            while !rest.isEmpty {
                var piece = Array(rest.prefix(length))
                rest = rest.dropFirst(length)
                end += UInt32(piece.count)
                var read = RequestRead()
                (read.socket, read.bytes, read.sequenceEnd) = (7, Int64(piece.count), end)
                read.isFirst = kept.isEmpty
                piece.withUnsafeMutableBytes { redactor.redactRequest($0, of: read) }
                kept += String(decoding: piece, as: UTF8.self)
            }
            let expected = "GET xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx HTTP/1.1\r\n"
            #expect(kept.hasPrefix(expected), "\(length) bytes at once")
            #expect(!kept.dropFirst(expected.count).contains("/"), "\(length) bytes at once")
            let found = Array(expected.utf8).withUnsafeBytes { bytes in
                if case .http(let head) = HTTPHead.request(bytes, isWhole: false) { head.target.count } else { -1 }
            }
            #expect(found == 0, "the parser finds no target")
        }
    }

    @Test("has no secret, wherever that was", arguments: [Conversation.Kind.plain, .treacherous], 0..<8)
    func secrets(kind: Conversation.Kind, seed: Int) {
        let secret = Conversation.secret
        for round in 0..<100 {
            let conversation = Conversation(seed: 100_000 + seed * 1000 + round, kind)
            var redactor = HeadRedactor()
            let kept = text(of: redacted(conversation.events, &redactor))
            for start in 0...(secret.count - 6) {
                let piece = secret.dropFirst(start).prefix(6)
                #expect(
                    !kept.contains(piece), "\(text(of: conversation.events).debugDescription) \(kept.debugDescription)")
            }
        }
    }

    @Test("of what nobody says, keeps every length, and breaks nothing", arguments: 0..<15)
    func garbage(seed: Int) {
        var same = 0
        for round in 0..<100 {
            let conversation = Conversation(seed: 200_000 + seed * 1000 + round, .garbage)
            var redactor = HeadRedactor()
            let kept = redacted(conversation.events, &redactor)
            #expect(text(of: kept).utf8.count <= text(of: conversation.events).utf8.count)
            if told(of: conversation.events) == told(of: kept) { same += 1 }
        }
        #expect(same > 80, "mostly it tells the same: \(same) of 100")
    }

    private func sent(_ texts: [(String, UInt32, Int64?)]) -> [String] {
        var redactor = HeadRedactor()
        return texts.map { text, sequence, callBytes in
            var bytes = Array(text.utf8)
            let sent = SentHead(at: sequence, callBytes: callBytes ?? Int64(bytes.count))
            bytes.withUnsafeMutableBytes { redactor.redactResponse($0, of: sent) }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    @Test("a head reads like this")
    func example() {
        let head =
            "HTTP/1.1 200 Fine\r\nContent-Type: text/html; charset=x\r\nSet-Cookie: a\r\nContent-Length: 4\r\n\r\nbody"
        let kept =
            "HTTP/1.1 200xxxxx\r\nContent-Type: text/html;xxxxxxxxxx\r\nxxxxxxxxxx:xx\r\nContent-Length: 4\r\n\r\nxxxx"
        #expect(sent([(head, 1, nil)]) == [kept])
    }

    @Test("a call that took nothing and comes again is redacted as if it were new")
    func repeated() {
        let (first, second) = ("HTTP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r\n")
        let kept = sent([(first, 100, nil), (first, 100, nil), (second, 127, nil), (second, 127, nil)])
        #expect(kept[0] == kept[1] && kept[2] == kept[3])
        #expect(kept[0] + kept[2] == "HTTP/1.1 200xxx\r\nContent-Length: 5\r\n\r\n")
    }

    @Test("behind a piece that was cut, the next one is no continuation")
    func cut() {
        let kept = sent([("HTTP/1.1 200 OK\r\nX: y", 1, 5000), ("HTTP/1.1 404 N\r\n\r\n", 9000, nil)])
        #expect(kept[1] == "HTTP/1.1 404xx\r\n\r\n")
    }

    @Test("the tail keeps what ends a chunked body, and whether it is short")
    func tail() {
        let redactor = HeadRedactor()
        #expect(redactor.redactTail(0x0a0d_0a0d_300a_0d41) == 0x0a0d_0a0d_300a_0d78)
        #expect(redactor.redactTail(0x7465_7263_6573_0000) == 0x7878_7878_7878_0000)
    }

    @Test("connections are remembered within bounds")
    func bounded() {
        var redactor = HeadRedactor()
        for socket in 1...20_000 {
            for text in ["GET /", "HTTP/1.1 2"] {
                var bytes = Array(text.utf8)
                let count = UInt32(bytes.count)
                var read = RequestRead()
                (read.socket, read.bytes, read.sequenceEnd) = (UInt64(socket), Int64(count), 5)
                let sent = SentHead(at: 1, callBytes: Int64(count), socket: UInt64(socket))
                bytes.withUnsafeMutableBytes { bytes in
                    if text == "GET /" {
                        redactor.redactRequest(bytes, of: read)
                    } else {
                        redactor.redactResponse(bytes, of: sent)
                    }
                }
            }
        }
        #expect(redactor.remembered > 0 && redactor.remembered <= 2 * HeadRedactor.mostRemembered)
        for socket in 1...20_000 { redactor.forget(socket: UInt64(socket)) }
        #expect(redactor.remembered == 0)
    }
}
