// SPDX-License-Identifier: MIT
import SeededRandom

/// A connection by chance: requests and responses of many shapes, cut into reads and send calls anywhere, as the kernel side
/// tells them; with secrets wherever a secret can be.
package struct Conversation {
    package static let secret = "5ecret0f7heCl1ent"
    /// As the wire has it: a read or a send call with what is told of its payload, or the flush of a call.
    package enum Event {
        case read([UInt8], count: UInt32, sequenceEnd: UInt32, isFirst: Bool, outstanding: UInt32)
        case sent([UInt8], sequence: UInt32, callBytes: Int64, isEnding: Bool)
        case flush(start: UInt32, end: UInt32, tail: UInt64, isAfterRead: Bool, isHeadTold: Bool)
        case closed
    }
    /// What is said.
    package enum Kind {
        /// As programs say it.
        case plain
        /// With bodies that look like the end of a body, or like the next message.
        case treacherous
        /// What programs do not say.
        case garbage
    }
    private let kind: Kind
    private var random: any RandomNumberGenerator
    package private(set) var events: [Event] = []
    private var readSequence: UInt32
    private var sendSequence: UInt32
    private var hasRead = false
    private var headsWanted = 0

    package init(seed: Int, _ kind: Kind) { self.init(choices: SeededGenerator(state: UInt64(seed)), kind) }

    /// `choices` makes every choice.
    package init(choices: some RandomNumberGenerator, _ kind: Kind) {
        self.kind = kind
        random = choices
        readSequence = .random(in: 0 ... .max, using: &random)
        sendSequence = .random(in: 0 ... .max, using: &random)
        for _ in 0..<Int.random(in: 1...4, using: &random) { converse() }
        events.append(.closed)
    }

    private mutating func one<Element>(of choices: [Element]) -> Element {
        choices[Int.random(in: 0..<choices.count, using: &random)]
    }

    /// Requests, some of them at once, and their responses.
    private mutating func converse() {
        let count = one(of: [1, 1, 1, 2, 3])
        var (requests, responses): ([UInt8], [UInt8]) = ([], [])
        for _ in 0..<count {
            requests += Array((kind == .garbage ? request() : orderlyRequest(isAlone: count == 1)).utf8)
            responses += Array((kind == .garbage ? response() : orderlyResponse()).utf8)
        }
        if kind == .garbage {
            change(&requests)
            change(&responses)
        }
        var reads = 0
        for piece in pieces(of: requests, most: one(of: [1, 1, 2, 4, 20]), isSent: false) {
            reads += 1
            read(piece, isTold: reads <= (piece.count <= 512 ? 64 : 8))
        }
        // A head comes in two calls at most: of others, nothing may be told.
        let isShort = kind != .garbage && count == 1 && responses.count < 1000
        let head = isShort ? min(responses.count, 230) : responses.count
        let most = kind == .garbage ? one(of: [1, 2, 3, 6]) : one(of: [1, 1, 2])
        for piece in pieces(of: Array(responses[..<head]), most: most) { send(piece) }
        for piece in pieces(of: Array(responses[head...]), most: one(of: [1, 2, 5])) { send(piece) }
    }

    private mutating func pieces(of bytes: [UInt8], most: Int, isSent: Bool = true) -> [[UInt8]] {
        var cuts = [0, bytes.count]
        for _ in 1..<most {
            var cut = Int.random(in: 0...bytes.count, using: &random)
            // Servers write whole lines; clients' bytes come as the network cuts them.
            while kind == .plain, isSent, cut > 0, cut < bytes.count, bytes[cut - 1] != 0x0a { cut += 1 }
            cuts.append(cut)
        }
        cuts.sort()
        return zip(cuts, cuts.dropFirst()).map { Array(bytes[$0..<$1]) }.filter { !$0.isEmpty }
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty, Bool.random(using: &random) else { return }
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            bytes[place] = one(of: [
                0x0a, 0x0d, 0x20, 0x3a, 0x2f, 0x3f, 0x30, 0x35, 0x41, .random(in: 0...255, using: &random),
            ])
        }
    }

    /// Of a large upload, only the first reads are told.
    private mutating func read(_ bytes: [UInt8], isTold: Bool) {
        readSequence &+= UInt32(bytes.count)
        guard isTold else { return }
        let told = bytes.prefix(bytes.count <= 512 || !(0x41...0x5a).contains(bytes[0]) ? 512 : 2048)
        events.append(
            .read(
                Array(told), count: UInt32(bytes.count), sequenceEnd: readSequence, isFirst: !hasRead,
                outstanding: one(of: [0, 0, 1])))
        hasRead = true
        headsWanted = 2
    }

    /// The pieces of a head that goes on behind them, as the kernel side tells it.
    private func longHead(_ bytes: [UInt8]) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var last: [UInt8] = []
        for start in stride(from: 0, to: 7168, by: 1024) where start + 1024 < bytes.count {
            let piece = Array(bytes[start..<(start + 1024)])
            for byte in piece {
                last = last.suffix(3) + [byte]
                if last == [0x0d, 0x0a, 0x0d, 0x0a] || last.suffix(2) == [0x0a, 0x0a] { return pieces }
            }
            pieces.append(piece)
        }
        return pieces
    }

    private mutating func send(_ bytes: [UInt8]) {
        let begins = headsWanted > 0 || bytes.starts(with: Array("HTTP/1.".utf8))
        headsWanted = max(0, headsWanted - 1)
        let ends = !begins && bytes.suffix(4) == [0x0d, 0x0a, 0x0d, 0x0a] && bytes.count > 5
        if begins || ends {
            let room = ends ? one(of: [192, 1024]) : 1024
            let told = begins ? bytes.prefix(room) : bytes.suffix(room)
            // Now and then a call that takes nothing comes first.
            for _ in 0..<one(of: [1, 1, 1, 2]) {
                var sequence = sendSequence
                for piece in ends ? [] : longHead(bytes) {
                    events.append(.sent(piece, sequence: sequence, callBytes: Int64(piece.count), isEnding: false))
                    sequence &+= UInt32(piece.count)
                }
                let before = Int(sequence &- sendSequence)
                let rest = before == 0 ? Array(told) : Array(bytes[before...].prefix(room))
                events.append(
                    .sent(rest, sequence: sequence, callBytes: Int64(bytes.count - before), isEnding: ends))
            }
        }
        let tail = bytes.suffix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let end = sendSequence &+ UInt32(bytes.count)
        events.append(
            .flush(
                start: sendSequence, end: end, tail: tail << UInt64(8 * (8 - min(8, bytes.count))),
                isAfterRead: hasRead,
                isHeadTold: begins || ends))
        sendSequence = end
        hasRead = false
    }
}

// What they say.
extension Conversation {
    private func treachery(_ text: String) -> String { kind == .treacherous ? text : Self.secret }

    private mutating func orderlyRequest(isAlone: Bool) -> String {
        let secret = Self.secret
        let target = one(of: [
            "/a/b?token=\(secret)", "/\(secret.count)#\(secret)", "http://user:\(secret)@host/path?k=\(secret)", "*",
            "/",
        ])
        let body = one(of: [
            "", "", secret, isAlone ? String(repeating: secret + "\r\n", count: 400) : "", "OK \(secret)",
            "A\r\n\r\n\(secret)",
            treachery("GET /body HTTP/1.1\r\n\r\n"),
        ])
        var fields = ["Host: \(secret)", "Cookie: a=\(secret)"]
        fields.insert("Content-Length: \(body.utf8.count)", at: one(of: [0, 1, 2]))
        if one(of: [0, 0, 1]) == 1 { fields.append("X: " + String(repeating: secret, count: 15)) }
        return "\(one(of: ["GET", "POST", "PUT"])) \(target) HTTP/1.1\r\n" + fields.joined(separator: "\r\n")
            + "\r\n\r\n" + body
    }

    private mutating func orderlyResponse() -> String {
        let secret = Self.secret
        let (status, interim) = (
            one(of: ["200 OK", "404 \(secret)", "201 C"]),
            one(of: ["", "", "HTTP/1.1 103 Hints\r\nL: \(secret)\r\n\r\n"])
        )
        let type = "Content-Type: \(one(of: ["text/html", "text/event-stream"])); charset=\(secret)"
        let head =
            "\(interim)HTTP/1.1 \(status)\r\n\(type)\r\nSet-Cookie: \(secret)\r\n"
            + one(of: ["", "", "", "", "X: \(String(repeating: secret, count: one(of: [60, 200, 600])))\r\n"])
        let body = one(of: [
            "", secret, "\(secret)\r\n\r\n", treachery("0\r\n\r\n\(secret)"),
            treachery("HTTP/1.1 200 \(secret)\r\n\r\n"),
        ])
        guard Bool.random(using: &random) else { return head + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)" }
        var chunks = ""
        for _ in 0..<one(of: [0, 1, 3]) {
            let data = one(of: [secret, treachery("\(secret)\r\n0\r\n\r\n"), "dead\r\nbeef" + secret])
            chunks +=
                String(data.utf8.count, radix: 16) + one(of: ["", ";\(secret)=1", " ; \(secret)"]) + "\r\n\(data)\r\n"
        }
        return head + "Transfer-Encoding: chunked\r\n\r\n\(chunks)0\r\n\(one(of: ["", "", "Sum: \(secret)\r\n"]))\r\n"
    }

    private mutating func request() -> String {
        let secret = Self.secret
        let target = one(of: [
            "/", "/a?\(secret)", "*", "http://u:p@host/path?k", "https://host/", secret, "x:\(secret)", "//host/x",
            "*\(secret)",
            "/" + String(repeating: "p", count: 300), "/a:b//c", "ht*tp://\(secret)/q", "", "http:", "http:/",
            "http://h?/x",
        ])
        let version = one(of: [
            " HTTP/1.1", " HTTP/1.1", " HTTP/1.0", " HTTP/1.1 \(secret)", " HTTP/2.0", " FOO/1.1", "", " HTTP/1.",
        ])
        let method = one(of: ["GET", "GET", "POST", "M-SEARCH", "PRI", "get", "", "ABCDEFGHIJKLMNOPQRST", "A_B"])
        let lineEnd = one(of: ["\r\n", "\r\n", "\r\n", "\n"])
        let other = one(of: ["", "", "", "", "\r\n", "\u{16}\u{3}\u{1}\(secret)", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
        return other + "\(method) \(target)\(version)\(lineEnd)" + fields(lineEnd)
            + one(of: ["", "", secret, "GET /x"])
    }

    private mutating func response() -> String {
        let secret = Self.secret
        let status = one(of: [
            "HTTP/1.1 200 OK", "HTTP/1.0 404 \(secret)", "HTTP/1.1 100 Continue", "HTTP/1.1 204", "HTTP/1.x 200 OK",
            "HTTP/2.0 200 OK", "HTTP/1.1 2x0 \(secret)", "HTTP/1.1", "\(secret)", "HTTP/1.1 101 S", "HTTP/1.1 304 N",
        ])
        let lineEnd = one(of: ["\r\n", "\r\n", "\n"])
        return status + lineEnd + fields(lineEnd)
            + one(of: [
                "", secret, "5\r\nhello\r\n0\r\n\r\n", "0\r\nA: b\r\n\r\n", "a\r\nA: b\r\n\r\n", "00;x\r\n\r\n",
                "ffffffffff\r\n",
            ])
    }

    private mutating func fields(_ lineEnd: String) -> String {
        let secret = Self.secret
        var text = ""
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            text +=
                one(of: [
                    "Cookie: \(secret)", "Host: a", "Content-Length: 12", "content-length:  7\t",
                    "Content-Length: 1\(secret)",
                    "Content-Type: text/html; charset=\(secret)", "content-TYPE:text/event-stream",
                    "Content-Length: 17",
                    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding:chunked", "Content-Length-\(secret): 1",
                    "X:\(secret)", "Content-\(secret)", ":\(secret)", "\(secret)", "Content-Type : x", "\r\(secret)",
                    "Content-Type: ", "0", "5", "5;\(secret)",
                ]) + lineEnd
        }
        return text + one(of: [lineEnd, lineEnd, lineEnd, ""])
    }
}
