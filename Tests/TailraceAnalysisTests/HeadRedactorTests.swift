// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// Heads as clients and servers make them, with secrets wherever a secret can be.
private struct HeadMaker {
    static let secret = "5ecret0f7heCl1ent"
    var random: SeededGenerator

    mutating func one<Element>(of choices: [Element]) -> Element {
        choices[Int.random(in: 0..<choices.count, using: &random)]
    }

    mutating func request() -> String {
        let secret = Self.secret
        let target = one(of: [
            "/", "/a/b", "/a?token=\(secret)", "/a#\(secret)", "*", "http://user:\(secret)@host/path?k=\(secret)",
            "https://host/", secret, "x:\(secret)", "/" + String(repeating: "p", count: 300), "//host/x", "*\(secret)",
            "/a:b//c",
            "ht*tp://\(secret)/q", "",
        ])
        let version = one(of: [
            " HTTP/1.1", " HTTP/1.1", " HTTP/1.0", " HTTP/1.1 \(secret)", " HTTP/2.0", " FOO/1.1", "", " HTTP/1.",
        ])
        let method = one(of: ["GET", "GET", "POST", "M-SEARCH", "PRI", "get", "", "ABCDEFGHIJKLMNOPQRST", "A_B"])
        let lineEnd = one(of: ["\r\n", "\r\n", "\r\n", "\n"])
        return "\(method) \(target)\(version)\(lineEnd)" + fields(lineEnd)
    }

    mutating func fields(_ lineEnd: String) -> String {
        let secret = Self.secret
        var text = ""
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            text +=
                one(of: [
                    "Cookie: \(secret)", "Authorization: Bearer \(secret)", "Host: a", "Content-Length: 12",
                    "content-length:  7\t",
                    "Content-Length: 1\(secret)", "Content-Type: text/html; charset=\(secret)",
                    "content-TYPE:text/event-stream",
                    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding:chunked", "Content-Length-\(secret): 1",
                    "X:\(secret)",
                    "Content-\(secret)", ":\(secret)", "\(secret)", "Content-Type : \(secret)", "\r\(secret)",
                    "Content-Type: ",
                ]) + lineEnd
        }
        return text + one(of: [lineEnd, lineEnd, lineEnd, ""])
    }

    mutating func response() -> String {
        let status = one(of: [
            "HTTP/1.1 200 OK", "HTTP/1.0 404 \(Self.secret)", "HTTP/1.1 100 Continue", "HTTP/1.1 204",
            "HTTP/1.x 200 OK",
            "HTTP/2.0 200 OK", "HTTP/1.1 2x0 \(Self.secret)", "HTTP/1.1", "\(Self.secret)", "SSH-2.0-\(Self.secret)",
        ])
        let lineEnd = one(of: ["\r\n", "\r\n", "\n"])
        return status + lineEnd + fields(lineEnd) + one(of: ["", Self.secret, "<html>" + Self.secret])
    }

    /// Cut at random, a byte changed now and then; then a secret may stand where it is shown.
    mutating func pieces(of text: String, most: Int, isChanged: Bool) -> [[UInt8]] {
        var bytes = Array(text.utf8)
        if isChanged, !bytes.isEmpty {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        bytes = Array(bytes.prefix(Int.random(in: 0...600, using: &random)))
        var cuts = [0, bytes.count]
        for _ in 1..<most { cuts.append(Int.random(in: 0...bytes.count, using: &random)) }
        cuts.sort()
        return zip(cuts, cuts.dropFirst()).map { Array(bytes[$0..<$1]) }.filter { !$0.isEmpty }
    }
}

@Suite("Heads without payload")
struct HeadRedactorTests {
    private func redacted(_ pieces: [[UInt8]], _ redact: (UnsafeMutableRawBufferPointer) -> Void) -> [[UInt8]] {
        pieces.map { piece in
            var piece = piece
            piece.withUnsafeMutableBytes { redact($0) }
            return piece
        }
    }

    private func text(_ bytes: HeadBytes) -> String { String(decoding: bytes, as: UTF8.self) }

    private func describe(request bytes: [UInt8], isWhole: Bool) -> String {
        bytes.withUnsafeBytes { bytes in
            switch HTTPHead.request(bytes, isWhole: isWhole) {
            case .http(let head): "\(text(head.method)) \(text(head.target)) \(head.protocolName)"
            case let other: "\(other)"
            }
        }
    }

    private func describe(response bytes: [UInt8], isWhole: Bool) -> String {
        bytes.withUnsafeBytes { bytes in
            guard case .http(let head) = HTTPHead.response(bytes, isWhole: isWhole) else {
                return "\(HTTPHead.response(bytes, isWhole: isWhole))"
            }
            let type = head.contentType.map { text($0) } ?? "none"
            return "\(head.status) \(head.protocolName) \(type) \(String(describing: head.contentLength)) "
                + "\(head.isChunked) \(String(describing: head.length))"
        }
    }

    private func read(_ count: Int, to sequenceEnd: UInt32, isFirst: Bool = true) -> RequestRead {
        var read = RequestRead()
        read.socket = 7
        read.bytes = Int64(count)
        read.sequenceEnd = sequenceEnd
        read.isFirst = isFirst
        return read
    }

    private func sent(_ count: Int, at sequence: UInt32, isCut: Bool = false) -> SentHead {
        var sent = SentHead()
        sent.socket = 7
        sent.sequence = sequence
        sent.callBytes = Int64(isCut ? count + 1 : count)
        return sent
    }

    /// What belongs to which request, piece by piece.
    private func parts(of pieces: [[UInt8]]) -> [String] {
        var stream = RequestStream()
        var sequence: UInt32 = .max - 30
        return pieces.flatMap { piece in
            sequence &+= UInt32(piece.count)
            return piece.withUnsafeBytes { bytes in
                var rest = read(piece.count, to: sequence)
                rest.head = bytes
                var parts: [String] = []
                while rest.bytes > 0 {
                    let (part, count) = stream.next(of: rest, isIdle: false)
                    _ = rest.divided(after: count)
                    switch part {
                    case .next: parts.append("next \(count)")
                    case .same: parts.append("same \(count)")
                    case .opaque: parts.append("opaque \(count)")
                    }
                }
                return parts
            }
        }
    }

    private func leaks(_ pieces: [[UInt8]]) -> Bool {
        let text = String(decoding: pieces.joined(), as: UTF8.self)
        let secret = HeadMaker.secret
        return (0...(secret.count - 8)).contains { text.contains(secret.dropFirst($0).prefix(8)) }
    }

    @Test("what is made of requests stays the same, in one piece or several, and no secret stays", arguments: 0..<40)
    func requests(seed: Int) {
        var maker = HeadMaker(random: SeededGenerator(state: UInt64(seed)))
        for round in 0..<250 {
            let count = Int.random(in: 1...3, using: &maker.random)
            let requests = (0..<count).map { _ in maker.request() }.joined()
            let isChanged = Bool.random(using: &maker.random)
            let pieces = maker.pieces(
                of: requests, most: Int.random(in: 1...3, using: &maker.random), isChanged: isChanged)
            var redactor = HeadRedactor()
            var sequence: UInt32 = .max - 30
            let kept = redacted(pieces) {
                sequence &+= UInt32($0.count)
                redactor.redactRequest($0, of: read($0.count, to: sequence))
            }
            #expect(isChanged || !leaks(kept), "\(requests.debugDescription) \(round)")
            #expect(parts(of: pieces) == parts(of: kept), "\(requests.debugDescription)")
            guard let first = pieces.first, let keptFirst = kept.first else { continue }
            #expect(
                describe(request: first, isWhole: true) == describe(request: keptFirst, isWhole: true),
                "\(String(decoding: first, as: UTF8.self).debugDescription)")
            // As it is put together: until its line is whole.
            var (whole, keptWhole): ([UInt8], [UInt8]) = ([], [])
            for (piece, kept) in zip(pieces, kept) {
                whole += piece
                keptWhole += kept
                let isWhole = whole.count >= 512
                let told = describe(request: whole, isWhole: isWhole)
                #expect(
                    told == describe(request: keptWhole, isWhole: isWhole),
                    "\(pieces.map { String(decoding: $0, as: UTF8.self) })")
                if told != "incomplete" { break }
            }
        }
    }

    @Test("what is made of responses stays the same, in one piece or several, and no secret stays", arguments: 0..<40)
    func responses(seed: Int) {
        var maker = HeadMaker(random: SeededGenerator(state: UInt64(1000 + seed)))
        for _ in 0..<250 {
            let response = maker.response()
            let isChanged = Bool.random(using: &maker.random)
            let pieces = maker.pieces(
                of: response, most: Int.random(in: 1...3, using: &maker.random), isChanged: isChanged)
            var redactor = HeadRedactor()
            var sequence: UInt32 = .max - 40
            let kept = redacted(pieces) {
                redactor.redactResponse($0, of: sent($0.count, at: sequence))
                sequence &+= UInt32($0.count)
            }
            #expect(isChanged || !leaks(kept), "\(response.debugDescription)")
            var (whole, keptWhole): ([UInt8], [UInt8]) = ([], [])
            for (piece, kept) in zip(pieces, kept) {
                whole += piece
                keptWhole += kept
                for isWhole in [true, false] {
                    #expect(
                        describe(response: whole, isWhole: isWhole) == describe(response: keptWhole, isWhole: isWhole),
                        "\(pieces.map { String(decoding: $0, as: UTF8.self) })")
                }
                if describe(response: whole, isWhole: false) != "incomplete" { break }
            }
        }
    }

    @Test(
        "what is made of a call that holds more than a head stays the same",
        arguments: [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n\(HeadMaker.secret.prefix(11))\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: \(HeadMaker.secret)\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n\(HeadMaker.secret)HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 304 OK\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
            "11\r\n\(HeadMaker.secret)\r\n0\r\n\r\n", "\(HeadMaker.secret)\r\n0\r\nX: y\r\n\r\n", "3\r\n0\r\n\r\n",
        ], [true, false])
    func sharedCalls(text: String, isEnding: Bool) {
        let bytes = Array(text.utf8)
        var redactor = HeadRedactor()
        var sent = sent(bytes.count, at: 100)
        sent.isEnding = isEnding
        let kept = redacted([bytes]) { redactor.redactResponse($0, of: sent) }
        #expect(!leaks(kept))
        let found = [bytes, kept[0]].map { bytes in
            bytes.withUnsafeBytes { bytes in
                sent.head = bytes
                var (heads, texts): ([PendingHead], TextCache) = ([], TextCache())
                PendingHead.take(sent, into: &heads, &texts)
                return heads.map {
                    "\($0.sequence) \($0.offset) \($0.isHTTP) \($0.isWhole) \(String(describing: $0.endsChunks))"
                }
            }
        }
        #expect(found[0] == found[1])
    }

    @Test("a call that took nothing and comes again is redacted as if it were new")
    func repeated() {
        let (first, second) = (Array("HTTP/1.1 200 OK\r\nContent-Le".utf8), Array("ngth: 5\r\n\r\n".utf8))
        var redactor = HeadRedactor()
        var kept: [[UInt8]] = []
        for (piece, sequence) in [(first, 100), (first, 100), (second, 127), (second, 127)] {
            kept += redacted([piece]) {
                redactor.redactResponse($0, of: sent($0.count, at: UInt32(sequence)))
            }
        }
        #expect(kept[0] == kept[1] && kept[2] == kept[3])
        #expect(String(decoding: kept[0] + kept[2], as: UTF8.self) == "HTTP/1.1 200xxxx\nContent-Length: 5\r\n\r\n")
    }

    @Test("behind a piece that was cut, the next one is no continuation")
    func cut() {
        var redactor = HeadRedactor()
        let kept = redacted([Array("HTTP/1.1 200 OK\r\nX: y".utf8), Array("HTTP/1.1 404 N\r\n\r\n".utf8)]) {
            redactor.redactResponse($0, of: sent($0.count, at: 1, isCut: true))
        }
        #expect(String(decoding: kept[1], as: UTF8.self) == "HTTP/1.1 404xxx\n\r\n")
    }

    @Test("the tail keeps what ends a chunked body, and whether it is short")
    func tail() {
        let redactor = HeadRedactor()
        let last: UInt64 = 0x0a0d_0a0d_300a_0d41
        #expect(redactor.redactTail(last) == 0x0a0d_0a0d_300a_0d78)
        #expect(redactor.redactTail(0x7465_7263_6573_0000) == 0x7878_7878_7878_0000)
        for tail in [last, 0x0a0d_0a0d_3000_0000, 0x0a0d_0a0d_3042_4141, 0] {
            let isEnd = Framing.chunked.isComplete(bytes: 1, tail: tail)
            #expect(Framing.chunked.isComplete(bytes: 1, tail: redactor.redactTail(tail)) == isEnd)
        }
    }

    @Test("unfinished heads are remembered within bounds")
    func bounded() {
        var redactor = HeadRedactor()
        for socket in 1...20_000 {
            var (read, sent) = (read(5, to: 5), sent(10, at: 1))
            (read.socket, sent.socket) = (UInt64(socket), UInt64(socket))
            _ = redacted([Array("GET /".utf8)]) { redactor.redactRequest($0, of: read) }
            _ = redacted([Array("HTTP/1.1 2".utf8)]) { redactor.redactResponse($0, of: sent) }
        }
        #expect(redactor.unfinished <= 2 * 4096)
        for socket in 1...20_000 { redactor.forget(socket: UInt64(socket)) }
        #expect(redactor.unfinished == 0)
    }
}
