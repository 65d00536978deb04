// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite("Which bytes belong to which request")
struct RequestTests {
    private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    private func request(_ path: String, method: String = "GET", length: Int? = nil, more: String = "") -> String {
        let field = length.map { "Content-Length: \($0)\r\n" } ?? ""
        return "\(method) \(path) HTTP/1.1\r\nHost: x\r\n\(field)\(more)\r\n"
    }

    @Test("100-continue: the interim answer ends nothing, and the body begins nothing")
    func continues() throws {
        let exchange = Exchange()
        exchange.read(request("/up", method: "PUT", length: 9), readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.1 100 Continue\r\n\r\n", at: 10)
        exchange.read("some body", readable: 20, at: 21)
        exchange.quickFlush(ok, at: 30)
        let response = try #require(exchange.responses.first)
        #expect(exchange.responses.count == 1 && exchange.open(at: 99).isEmpty)
        #expect(response.status == 200 && response.target == "/up")
        #expect(response.responseBytes == Int64(25 + ok.utf8.count))
        #expect(response.requestBytes == Int64(request("/up", method: "PUT", length: 9).utf8.count + 9))
    }

    @Test("an early answer: what is still read of its body is no request, whatever it looks like")
    func early() {
        let exchange = Exchange()
        let body = request("/not")
        exchange.read(request("/up", method: "POST", length: 3 * body.utf8.count + 5000), readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", at: 10)
        for time: Int64 in [20, 30, 40] { exchange.read(body, readable: time, at: time + 1, isFirst: time == 20) }
        exchange.readUntold(bytes: 5000)
        exchange.read(request("/next"), readable: 50, at: 51, isFirst: false)
        exchange.quickFlush(ok, at: 60)
        #expect(exchange.responses.map(\.target) == ["/up", "/next"])
        #expect(exchange.responses.map(\.status) == [413, 200])
    }

    @Test("requests that are read ahead, the first byte by itself")
    func readAhead() {
        let exchange = Exchange()
        exchange.read(request("/1"), readable: 1, at: 2)
        exchange.read("G", readable: 3, at: 4, isFirst: false)
        exchange.read(String(request("/2").dropFirst()), readable: 5, at: 6, isFirst: false)
        exchange.read(request("/3"), readable: 7, at: 8, isFirst: false)
        for time: Int64 in [10, 20, 30] { exchange.quickFlush(ok, at: time) }
        #expect(exchange.responses.map(\.target) == ["/1", "/2", "/3"])
        #expect(exchange.responses.map(\.requestBytes) == [28, 28, 28])
    }

    @Test("the end of a body and the next requests in one read, an empty line between")
    func bodyAndNext() {
        let exchange = Exchange()
        let body = String(repeating: "b", count: 100)
        exchange.read(request("/1", method: "POST", length: 100) + body.prefix(40), readable: 1, at: 2)
        let next = request("/2") + request("/3")
        exchange.read(body.prefix(60) + "\r\n" + next, readable: 3, at: 4, isFirst: false)
        for time: Int64 in [10, 20, 30] { exchange.quickFlush(ok, at: time) }
        #expect(exchange.responses.map(\.target) == ["/1", "/2", "/3"])
        let bytes = request("/1", method: "POST", length: 100).utf8.count + 100 + 2
        #expect(exchange.responses.first?.requestBytes == Int64(bytes))
    }

    @Test("a body in chunks ends where nobody sees it: a request line at the next first read begins the next")
    func chunkedRequest() {
        let exchange = Exchange()
        exchange.read(request("/1", method: "POST", more: "Transfer-Encoding: chunked\r\n"), readable: 1, at: 2)
        exchange.read("5\r\nhello\r\n", readable: 3, at: 4, isFirst: false)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", at: 10)
        exchange.read("5\r\nhello\r\n0\r\n\r\n", readable: 20, at: 21)
        exchange.quickFlush("2\r\nok\r\n0\r\n\r\n", at: 30)
        exchange.read(request("/2"), readable: 40, at: 41)
        exchange.quickFlush(ok, at: 50)
        #expect(exchange.responses.map(\.target) == ["/1", "/2"])
        #expect(exchange.responses.allSatisfy { $0.endedBy == .complete })
    }

    @Test("TLS and HTTP/2 stay what they are, whatever later bytes look like", arguments: [true, false])
    func settled(isTLS: Bool) {
        let exchange = Exchange()
        exchange.read(isTLS ? "\u{16}\u{3}\u{1}hello" : "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", at: 10)
        exchange.read(request("/never"), readable: 20, at: 21)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", at: 30)
        let responses = exchange.responses + exchange.open(at: 50)
        #expect(responses.count == 2)
        for response in responses {
            #expect(response.protocolName == (isTLS ? .tls : .http2))
            #expect(response.method == nil && response.target == nil && response.status == nil)
        }
    }

    @Test("a server of HTTP/2 that speaks first")
    func serverPreface() {
        let exchange = Exchange()
        exchange.quickFlush("\0\0\0\u{4}\0\0\0\0\0", at: 10)
        exchange.read("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", readable: 20, at: 21)
        #expect((exchange.responses + exchange.open(at: 30)).map(\.protocolName) == [.http2, .http2])
    }

    @Test("a response whose request was not seen says what it is")
    func unseenRequest() throws {
        let exchange = Exchange()
        exchange.quickFlush(ok, at: 10)
        let response = try #require(exchange.responses.first)
        #expect(response.status == 200 && response.protocolName == .http11 && response.method == nil)
    }

    @Test("however requests are cut into reads, each gets its response", arguments: 0..<200)
    func anyCut(seed: Int) {
        var generator = SeededGenerator(state: UInt64(seed))
        var expected: [(target: String, bytes: Int64)] = []
        var text = ""
        let bodies = String(repeating: "GET /no HTTP/1.1\r\n\r\n", count: 20)
        for number in 0..<12 {
            let length = Bool.random(using: &generator) ? Int.random(in: 0...300, using: &generator) : nil
            let body = String(decoding: Array(bodies.utf8.prefix(length ?? 0)), as: UTF8.self)
            let one = request("/\(number)", method: length == nil ? "GET" : "POST", length: length) + body
            expected.append(("/\(number)", Int64(one.utf8.count)))
            text += one
        }
        let exchange = Exchange(firstSequence: .max - 100)
        var (rest, time) = (Array(text.utf8)[...], Int64(1))
        while !rest.isEmpty {
            let count = Int.random(in: 1...150, using: &generator)
            let piece = String(decoding: rest.prefix(count), as: UTF8.self)
            exchange.read(piece, readable: time, at: time, isFirst: time == 1)
            rest = rest.dropFirst(count)
            time += 1
        }
        for _ in expected {
            exchange.quickFlush(ok, at: time)
            time += 10
        }
        #expect(exchange.responses.map(\.target) == expected.map(\.target))
        #expect(exchange.responses.map(\.requestBytes) == expected.map(\.bytes))
    }
}
