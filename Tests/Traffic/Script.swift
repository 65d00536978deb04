// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel

/// One request and what the server answers.
package struct Transaction {
    /// What says where the answer ends.
    package enum End: Equatable {
        /// Content-Length, or a status or method without a body.
        case length
        case chunked
        /// The server closes.
        case close
        /// The client speaks again.
        case turn
    }
    /// One send call of the server.
    package struct Send {
        package let bytes: [UInt8]
        /// So much of the request must have been read before.
        package var needs: Int
        /// sendfile() and the like: nobody can look at the bytes.
        package var isReadable = true
    }

    package internal(set) var request: [UInt8] = []
    /// Of the request, its head.
    package internal(set) var headBytes = 0
    package internal(set) var method: String?
    package internal(set) var target: String?
    package internal(set) var status: Int?
    package internal(set) var contentType: String?
    package internal(set) var isStreaming = false
    package internal(set) var end = End.length
    package internal(set) var protocolName = ResponseProtocol.http11
    package internal(set) var sends: [Send] = []
    /// Where the answer's head ends, interim heads before it included; nil: it has none.
    package internal(set) var bodyStart: Int?

    /// In all send calls together.
    package var responseBytes: Int { sends.reduce(0) { $0 + $1.bytes.count } }
}

/// What the client asks on a connection and what the server answers, by chance.
package struct Script {
    package internal(set) var transactions: [Transaction] = []
    /// The client does not wait for its answers.
    package internal(set) var isPipelined = false

    /// Between one and eight requests. `isWild`: with all that ends where nothing that is told says so.
    package init(_ random: inout SeededGenerator, connection: Int, isWild: Bool) {
        self.init(&random, connection: connection)
        guard isWild else { return }
        for index in transactions.indices { transactions[index].makeWild(&random) }
        if isPipelined { shareCalls(&random) }
    }

    private init(_ random: inout SeededGenerator, connection: Int) {
        if Int.random(in: 0..<8, using: &random) == 0 {
            opaque(&random)
            return
        }
        isPipelined = Int.random(in: 0..<3, using: &random) == 0
        let count = Int.random(in: 1...8, using: &random)
        for index in 0..<count {
            let transaction = http(&random, "/c\(connection)/r\(index)", isLast: index == count - 1)
            transactions.append(transaction)
        }
    }

    /// The end of an answer and the beginning of the next in one call.
    private mutating func shareCalls(_ random: inout SeededGenerator) {
        for index in transactions.indices.dropLast()
        where transactions[index].sends.count > 1 && Int.random(in: 0..<3, using: &random) == 0 {
            let last = transactions[index].sends.removeLast()
            let first = transactions[index + 1].sends[0]
            transactions[index + 1].sends[0] = Transaction.Send(bytes: last.bytes + first.bytes, needs: first.needs)
        }
    }

    /// A protocol that is not known, in strict turns.
    private mutating func opaque(_ random: inout SeededGenerator) {
        for index in 0..<Int.random(in: 1...6, using: &random) {
            var turn = Transaction()
            turn.request = Array("PING \(index)\r\n".utf8)
            turn.headBytes = turn.request.count
            turn.end = .turn
            turn.protocolName = .opaque
            turn.bodyStart = 0
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                turn.sends.append(.init(bytes: letters(&random, 1...2000), needs: turn.request.count))
            }
            transactions.append(turn)
        }
    }

    private func http(_ random: inout SeededGenerator, _ path: String, isLast: Bool) -> Transaction {
        var made = Transaction()
        let methods = ["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE"]
        let method = methods[Int.random(in: 0..<methods.count, using: &random)]
        let hasBody = method == "POST" || method == "PUT"
        let longest = Int.random(in: 0..<8, using: &random) == 0 ? 30_000 : 3000
        let body = hasBody ? letters(&random, 0...longest) : []
        let expects = hasBody && !body.isEmpty && Int.random(in: 0..<3, using: &random) == 0
        var head = "\(method) \(path)?q=secret HTTP/1.1\r\nHost: x\r\n"
        if hasBody { head += "Content-Length: \(body.count)\r\n" }
        if expects { head += "Expect: 100-continue\r\n" }
        if Bool.random(using: &random) { head += "Cookie: \(String(repeating: "c", count: 40))\r\n" }
        made.request = Array((head + "\r\n").utf8)
        made.headBytes = made.request.count
        made.request += body
        made.method = method
        made.target = path
        var answer = Answer(method: method, isLast: isLast)
        answer.make(&random)
        made.status = answer.status
        made.contentType = answer.contentType
        made.isStreaming = answer.isStreaming
        made.end = answer.end
        made.bodyStart = answer.bodyStart
        if expects { made.sends.append(.init(bytes: Array(Answer.interim(100).utf8), needs: made.headBytes)) }
        if expects { made.bodyStart = answer.bodyStart + Answer.interim(100).utf8.count }
        // Some begin to answer before they have read all; none is done before.
        var position = 0
        let early = Int.random(in: 0..<8, using: &random) == 0 ? made.headBytes : made.request.count
        for (index, bytes) in answer.calls.enumerated() {
            let needs = index == answer.calls.count - 1 ? made.request.count : early
            let isBody = position >= answer.bodyStart && answer.end == .length
            let isReadable = !isBody || Int.random(in: 0..<6, using: &random) > 0
            made.sends.append(.init(bytes: bytes, needs: needs, isReadable: isReadable))
            position += bytes.count
        }
        return made
    }

    /// Small letters: nothing in them looks like a head or a chunk.
    static func letters(_ random: inout SeededGenerator, _ range: ClosedRange<Int>) -> [UInt8] {
        let count = Int.random(in: range, using: &random)
        let letter = UInt8.random(in: 0x61...0x7a, using: &random)
        return [UInt8](repeating: letter, count: count)
    }
    private func letters(_ random: inout SeededGenerator, _ range: ClosedRange<Int>) -> [UInt8] {
        Script.letters(&random, range)
    }
}

extension Transaction {
    /// Heads that are longer than what is read of them, requests in chunks, bytes that cannot be read, answers that come
    /// before their request.
    fileprivate mutating func makeWild(_ random: inout SeededGenerator) {
        let long = Array(
            "X-Long: \(String(repeating: "l", count: Int.random(in: 400...3000, using: &random)))\r\n".utf8)
        if method != nil, Int.random(in: 0..<5, using: &random) == 0 {
            request.insert(contentsOf: long, at: headBytes - 2)
            headBytes += long.count
        }
        if headBytes < request.count, Int.random(in: 0..<4, using: &random) == 0 { chunkRequest() }
        for index in sends.indices {
            var send = sends[index]
            if Int.random(in: 0..<10, using: &random) == 0 { send.isReadable = false }
            if Int.random(in: 0..<12, using: &random) == 0 { send.needs = 0 }
            send.needs = min(send.needs, Int.random(in: 0..<4, using: &random) == 0 ? headBytes : request.count)
            if send.bytes.starts(with: "HTTP/1.1 2".utf8), Int.random(in: 0..<5, using: &random) == 0 {
                let line = (send.bytes.firstIndex(of: 0x0a) ?? 0) + 1
                send = Send(bytes: Array(send.bytes[..<line]) + long + Array(send.bytes[line...]), needs: send.needs)
            }
            sends[index] = send
        }
    }

    private mutating func chunkRequest() {
        let body = Array(request[headBytes...])
        var head = Array(request[..<(headBytes - 2)])
        head += Array("Transfer-Encoding: chunked\r\n\r\n".utf8)
        headBytes = head.count
        request = head + Array("\(String(body.count, radix: 16))\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8)
        for index in sends.indices where sends[index].needs > headBytes { sends[index].needs = request.count }
    }
}

/// The bytes of an answer, and how the server cuts them into send calls.
struct Answer {
    let method: String
    let isLast: Bool
    private(set) var status = 200
    private(set) var contentType: String?
    private(set) var isStreaming = false
    private(set) var end = Transaction.End.length
    private(set) var calls: [[UInt8]] = []
    private(set) var bodyStart = 0

    init(method: String, isLast: Bool) {
        self.method = method
        self.isLast = isLast
    }

    static func interim(_ status: Int) -> String {
        status == 103 ? "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" : "HTTP/1.1 \(status) Continue\r\n\r\n"
    }

    mutating func make(_ random: inout SeededGenerator) {
        let kind = Int.random(in: 0..<10, using: &random)
        var fields = ""
        var body: [[UInt8]] = []
        switch kind {
        case 0: status = [204, 304][Int.random(in: 0...1, using: &random)]
        case 1...4: (fields, body) = counted(&random)
        case 5...7: (fields, body) = chunked(&random)
        case 8 where isLast: (fields, body) = untilClose(&random)
        case 9 where isLast: (fields, body) = switched(&random)
        default: (fields, body) = counted(&random)
        }
        if method == "HEAD" || status == 204 || status == 304 {
            body = []
            if status != 101 { end = .length }
            isStreaming = end == .close || contentType == "text/event-stream"
        }
        let reason = ["OK", "Fine", ""][Int.random(in: 0..<3, using: &random)]
        var head = "HTTP/1.1 \(status) \(reason)\r\nServer: model\r\n\(fields)\r\n"
        var before: [[UInt8]] = []
        if Int.random(in: 0..<6, using: &random) == 0 {
            let hints = Answer.interim(103)
            bodyStart += hints.utf8.count
            if Bool.random(using: &random) { before = [Array(hints.utf8)] } else { head = hints + head }
        }
        cut(Array(head.utf8), body, after: before, &random)
    }

    private mutating func counted(_ random: inout SeededGenerator) -> (String, [[UInt8]]) {
        let pieces = (0..<Int.random(in: 0...5, using: &random)).map { _ in Script.letters(&random, 1...4000) }
        let count = pieces.reduce(0) { $0 + $1.count }
        contentType = ["text/html", "application/json", nil][Int.random(in: 0..<3, using: &random)]
        let type = contentType.map { "Content-Type: \($0); charset=utf-8\r\n" } ?? ""
        let name = Bool.random(using: &random) ? "Content-Length" : "content-length"
        return ("\(type)\(name): \(count)\r\n", pieces)
    }

    private mutating func chunked(_ random: inout SeededGenerator) -> (String, [[UInt8]]) {
        end = .chunked
        isStreaming = true
        contentType = Bool.random(using: &random) ? "text/event-stream" : nil
        var pieces: [[UInt8]] = (0..<Int.random(in: 0...12, using: &random)).map { _ in
            let data = Script.letters(&random, 1...900)
            return Array("\(String(data.count, radix: 16))\r\n".utf8) + data + Array("\r\n".utf8)
        }
        let last = Array("0\r\n\r\n".utf8)
        if Bool.random(using: &random), let piece = pieces.popLast() {
            pieces.append(piece + last)
        } else {
            pieces.append(last)
        }
        return ("Transfer-Encoding: chunked\r\n" + (contentType.map { "Content-Type: \($0)\r\n" } ?? ""), pieces)
    }

    private mutating func untilClose(_ random: inout SeededGenerator) -> (String, [[UInt8]]) {
        end = .close
        isStreaming = true
        contentType = "text/event-stream"
        let events = (0..<Int.random(in: 0...12, using: &random)).map { "data: \($0)\n\n" }
        return ("Content-Type: text/event-stream\r\nConnection: close\r\n", events.map { Array($0.utf8) })
    }

    private mutating func switched(_ random: inout SeededGenerator) -> (String, [[UInt8]]) {
        status = 101
        end = .close
        isStreaming = true
        let frames = (0..<Int.random(in: 0...6, using: &random)).map { _ in Script.letters(&random, 2...500) }
        return ("Connection: Upgrade\r\nUpgrade: websocket\r\n", frames)
    }

    /// Head and body into calls: together, apart, or the head in pieces.
    private mutating func cut(
        _ head: [UInt8], _ body: [[UInt8]], after before: [[UInt8]], _ random: inout SeededGenerator
    ) {
        bodyStart = before.reduce(0) { $0 + $1.count } + head.count
        calls = before
        switch Int.random(in: 0..<8, using: &random) {
        case 0..<4:
            calls.append(head + (body.first ?? []))
            calls += body.dropFirst()
        case 4..<7:
            calls.append(head)
            calls += body
        default:
            // The first piece is short: a longer one is not known to go on.
            var rest = head[Int.random(in: 8..<min(64, head.count), using: &random)...]
            calls.append(Array(head[..<rest.startIndex]))
            for _ in 0..<Int.random(in: 0...6, using: &random) where rest.count > 1 {
                let piece = rest.prefix(Int.random(in: 1..<rest.count, using: &random))
                calls.append(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            calls.append(Array(rest) + (body.first ?? []))
            calls += body.dropFirst()
        }
    }
}
