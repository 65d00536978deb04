// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite("Where a response ends")
struct DelimitationTests {
    private func request(_ path: String, method: String = "GET") -> String {
        "\(method) \(path) HTTP/1.1\r\nHost: x\r\n\r\n"
    }

    @Test("keep-alive: Content-Length, chunked, HEAD, 304, each ends by itself")
    func keepAlive() {
        let exchange = Exchange()
        let replies: [(String, [String])] = [
            ("GET", ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello"]),
            ("GET", ["HTTP/1.1 200 OK\r\ntransfer-encoding:  Chunked\r\n\r\n5\r\nhello\r\n", "0\r\n\r\n"]),
            ("GET", ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]),
            ("HEAD", ["HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"]),
            ("GET", ["HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"]),
        ]
        var time: Int64 = 100
        for (index, (method, flushes)) in replies.enumerated() {
            exchange.read(request("/\(index)", method: method), readable: time, at: time + 1)
            for flush in flushes {
                #expect(exchange.responses.count == index, "too early in reply \(index)")
                exchange.quickFlush(flush, at: time + 10)
                time += 20
            }
            #expect(exchange.responses.count == index + 1)
        }
        #expect(exchange.responses.map(\.target) == ["/0", "/1", "/2", "/3", "/4"])
        #expect(exchange.responses.allSatisfy { $0.endedBy == .complete })
        #expect(exchange.responses.map(\.responseBytes) == replies.map { Int64($0.1.joined().utf8.count) })
    }

    @Test("data that ends in `0 CRLF` inside a chunk is not the end")
    func falseLastChunk() {
        let exchange = Exchange()
        exchange.read(request("/"), readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", at: 10)
        exchange.quickFlush("6\r\nab 10\r\n\r\n", at: 20)
        #expect(exchange.responses.isEmpty)
        exchange.quickFlush("\r\n0\r\n\r\n", at: 30)
        #expect(exchange.responses.count == 1)
    }

    @Test("a head in two flushes")
    func splitHead() throws {
        let exchange = Exchange()
        exchange.read(request("/"), readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.1 200 OK\r\n", at: 10)
        exchange.quickFlush("Content-Length: 3\r\n\r\nabc", at: 20)
        let response = try #require(exchange.responses.first)
        #expect(response.status == 200)
        #expect(response.timeToFirstFlush == 19_000)
    }

    @Test("a head that is longer than what is read of it still tells status and type")
    func longHead() throws {
        let exchange = Exchange()
        let cookie = "Set-Cookie: " + String(repeating: "c", count: 2000)
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\(cookie)\r\n\r\nbody"
        exchange.read(request("/"), readable: 1, at: 2)
        exchange.flush(
            String(head.prefix(1024)), bytes: head.utf8.count,
            .init(enter: 10, exit: 11, queued: 11, transmitted: 12, acked: 14))
        #expect(exchange.responses.isEmpty)
        exchange.read(request("/next"), readable: 30, at: 31)
        let response = try #require(exchange.responses.first)
        #expect(response.status == 200 && response.contentType == "text/html" && response.endedBy == .complete)
        #expect(response.end == 14_000)
    }

    @Test("a long head is told in pieces of one call, as if they were calls of their own")
    func headInPieces() {
        let cookies = String(repeating: "Set-Cookie: a=b\r\n", count: 200)
        let replies = [
            ("GET", "HTTP/1.1 200 OK\r\n\(cookies)Content-Length: 2000\r\n\r\n", String(repeating: "x", count: 2000)),
            ("HEAD", "HTTP/1.1 201 OK\r\n\(cookies)Content-Length: 2000\r\n\r\n", ""),
            (
                "GET", "HTTP/1.1 202 OK\r\n\(cookies)Transfer-Encoding: chunked\r\n\r\n",
                "3\r\nabc\r\n0\r\nA: b\r\n\r\n"
            ),
        ]
        let exchange = Exchange()
        var time: Int64 = 100
        for (index, (method, head, body)) in replies.enumerated() {
            exchange.read(request("/\(index)", method: method), readable: time, at: time + 1)
            exchange.longFlush(head, body, at: time + 10)
            #expect(exchange.responses.count == index + 1)
            time += 100
        }
        #expect(exchange.responses.map(\.status) == [200, 201, 202])
        #expect(exchange.responses.map(\.responseBytes) == replies.map { Int64(($0.1 + $0.2).utf8.count) })
        #expect(exchange.responses.map { $0.timeToFirstFlush == nil } == [false, true, false])
    }

    @Test(
        "of more answers in one call than are read of it, the rest is marked, and what follows is not theirs",
        arguments: 96...104)
    func moreAnswersThanRead(size: Int) {
        let exchange = Exchange()
        let reply = "HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n" + String(repeating: "x", count: size)
        let count = 16
        exchange.read((0..<count).map { request("/\($0)") }.joined(), readable: 1, at: 2)
        let bytes = count * reply.utf8.count
        let head = String(String(repeating: reply, count: count).prefix(1024))
        exchange.flush(head, bytes: bytes, .init(enter: 10, exit: 11, queued: 11, transmitted: 12, acked: 14))
        exchange.read(request("/after"), readable: 30, at: 31)
        exchange.quickFlush("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", at: 40)
        let told = exchange.responses
        #expect(told.map(\.target) == (0..<count).map { "/\($0)" } + ["/after"])
        #expect(told.last?.status == 201 && told.last?.begin == 30_000)
        #expect(told.dropLast().reduce(0) { $0 + $1.responseBytes } == Int64(bytes))
        for response in told.dropLast() where response.responseBytes != Int64(reply.utf8.count) {
            #expect(response.isEstimated)
        }
        #expect(told.filter { $0.responseBytes == Int64(reply.utf8.count) }.count >= 7)
    }

    @Test("what a line protocol leaves without an answer is one request with what follows it")
    func silence() {
        let exchange = Exchange()
        exchange.read("one\n", readable: 1, at: 2)
        exchange.quickFlush("ok\n", at: 10)
        exchange.read("quiet\n", readable: 20, at: 21, outstanding: 3)
        for time: Int64 in [30, 50, 70] {
            exchange.read("more\n", readable: time, at: time + 1)
            exchange.quickFlush("ok\n", at: time + 10)
        }
        exchange.read("last\n", readable: 90, at: 91)
        #expect(exchange.responses.map(\.requestBytes) == [4, 11, 5, 5])
        #expect(exchange.responses.map(\.begin) == [1_000, 20_000, 50_000, 70_000])
    }

    @Test("a request read in pieces")
    func splitRequest() throws {
        let exchange = Exchange()
        exchange.read("GET /sp", readable: 1, at: 2)
        exchange.read("lit?x HTTP/1.1\r\n\r\n", readable: 3, at: 4, isFirst: false)
        exchange.quickFlush("HTTP/1.1 204 No Content\r\n\r\n", at: 20)
        let response = try #require(exchange.responses.first)
        #expect(response.target == "/split")
        #expect(response.method == "GET")
        #expect(response.requestBytes == 25)
    }

    @Test("until close: the server's FIN completes it")
    func untilClose() throws {
        let exchange = Exchange()
        exchange.read(request("/sse"), readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n", at: 10)
        exchange.quickFlush("data: 1\n\n", at: 20)
        #expect(exchange.responses.isEmpty)
        #expect(exchange.open(at: 50).count == 1)
        exchange.state(.finWait1, from: .established, at: 30)
        exchange.state(.finWait2, from: .finWait1, at: 31)
        let response = try #require(exchange.responses.first)
        #expect(response.endedBy == .complete)
        #expect(response.end == 24_000)
        #expect(response.isStreaming)
        #expect(response.contentType == "text/event-stream")
    }

    @Test(
        "a client that leaves a stream", arguments: [(Int32(104), Ending.clientReset), (110, .timeout)])
    func clientLeaves(error: Int32, ending: Ending) throws {
        let exchange = Exchange()
        exchange.read(request("/sse"), readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", at: 10)
        exchange.state(.closed, from: .established, at: 90, error: error)
        let response = try #require(exchange.responses.first)
        #expect(response.endedBy == ending)
        #expect(response.end == 90_000)
    }

    @Test("a client that closes first is told as client_fin, also when the server's next write is answered by RST")
    func clientFin() throws {
        let exchange = Exchange()
        exchange.read(request("/sse"), readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", at: 10)
        exchange.state(.closeWait, from: .established, at: 50)
        exchange.state(.closed, from: .closeWait, at: 90, error: 32)
        #expect(try #require(exchange.responses.first).endedBy == .clientFin)
    }

    @Test("opaque bytes end at a change of direction")
    func opaque() {
        let exchange = Exchange()
        exchange.read("PING\r\n", readable: 1, at: 2)
        exchange.quickFlush("+PONG\r\n", at: 10)
        #expect(exchange.responses.isEmpty)
        exchange.read("PING\r\n", readable: 30, at: 31)
        #expect(exchange.responses.count == 1)
        exchange.quickFlush("+PONG\r\n", at: 40)
        exchange.state(.closeWait, from: .established, at: 60)
        exchange.state(.closed, from: .lastAck, at: 70)
        #expect(exchange.responses.count == 2)
        #expect(exchange.responses.allSatisfy { $0.protocolName == .opaque && $0.endedBy == .complete })
        #expect(exchange.responses.map(\.end) == [14_000, 44_000])
    }

    @Test("pipelined requests each get their own response")
    func pipelined() {
        let exchange = Exchange()
        exchange.read(request("/1"), readable: 1, at: 2)
        exchange.read(request("/2"), readable: 3, at: 4, isFirst: true, outstanding: 1)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", at: 10)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nbb", at: 20)
        #expect(exchange.responses.map(\.target) == ["/1", "/2"])
        #expect(exchange.responses.map(\.responseBytes) == [39, 40])
    }

    @Test("pipelined requests that one read brings")
    func pipelinedInOneRead() {
        let exchange = Exchange()
        exchange.read(request("/1") + request("/2") + request("/3"), readable: 1, at: 2)
        for (index, body) in ["a", "bb", "ccc"].enumerated() {
            exchange.quickFlush(
                "HTTP/1.1 200 OK\r\nContent-Length: \(index + 1)\r\n\r\n\(body)", at: Int64(10 + 10 * index))
        }
        #expect(exchange.responses.map(\.target) == ["/1", "/2", "/3"])
        #expect(exchange.responses.allSatisfy { $0.requestBytes == Int64(request("/1").utf8.count) })
    }

    @Test("bytes whose record was lost are counted by sequence number, and the response is marked")
    func lostFlush() throws {
        let exchange = Exchange(firstSequence: .max - 20)
        exchange.read(request("/"), readable: 1, at: 2)
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n"
        exchange.quickFlush(head, at: 10)
        exchange.lose(bytes: 200)
        exchange.quickFlush(String(repeating: "x", count: 100), at: 20)
        let response = try #require(exchange.responses.first)
        #expect(response.responseBytes == Int64(head.utf8.count + 300))
        #expect(response.isEstimated)
    }

    @Test("responses in flight, counted at begin and end")
    func inFlight() throws {
        var counts = InFlight()
        let first = counts.begin()
        #expect(counts.count == 1)
        let second = counts.begin()
        _ = counts.begin()
        counts.end()
        #expect(counts.largest(since: second) == 3)
        let late = counts.begin()
        counts.end()
        counts.end()
        #expect(counts.largest(since: late) == 3)
        #expect(counts.largest(since: first) == 3)
        counts.end()
        #expect(counts.count == 0)
        let last = counts.begin()
        #expect(counts.largest(since: last) == 1)
    }

    @Test("a sample of a connection whose announcement is still in the ring is no loss")
    func earlySample() {
        var correlator = Correlator()
        var sample = SocketSample()
        sample.socket = 99
        withUnsafePointer(to: &sample) { correlator.take(.socketSampled($0)) { _ in } }
        #expect(correlator.unattributed == 0 && correlator.connections == 0)
    }
}
