// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite("Responses that share a send call or its flush")
struct SharedCallTests {
    private let replies = [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n0\r\n\r\n0\r\nX-Sum: 1\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    ]

    private func asked(_ count: Int) -> Exchange {
        let exchange = Exchange()
        let requests = (0..<count).map { "GET /\($0) HTTP/1.1\r\nHost: x\r\n\r\n" }
        exchange.read(requests.joined(), readable: 1, at: 2)
        return exchange
    }

    @Test("several in one call")
    func oneCall() {
        let exchange = asked(replies.count)
        exchange.quickFlush(replies.joined(), at: 10)
        #expect(exchange.responses.map(\.target) == ["/0", "/1", "/2", "/3", "/4"])
        #expect(exchange.responses.map(\.status) == [200, 304, 200, 201, 404])
        #expect(exchange.responses.map(\.responseBytes) == replies.map { Int64($0.utf8.count) })
        #expect(exchange.responses.allSatisfy { $0.endedBy == .complete && $0.timeline.total == $0.duration })
    }

    @Test("one whose head was not read, behind a body that reaches beyond what was read")
    func unread() {
        let exchange = asked(3)
        let first = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
        exchange.flush(
            first, bytes: first.utf8.count + 5070,
            .init(enter: 10, exit: 11, queued: 11, transmitted: 12, acked: 14))
        exchange.quickFlush(replies[0], at: 20)
        #expect(exchange.responses.map(\.target) == ["/0", "/1", "/2"])
        #expect(exchange.responses.map(\.status) == [200, nil, 200])
        #expect(exchange.responses.map(\.responseBytes) == [Int64(first.utf8.count + 5000), 70, 41])
        #expect(exchange.responses.map(\.isEstimated) == [true, true, false])
    }

    @Test("a CONNECT that was granted lasts until the connection ends")
    func connect() throws {
        let exchange = Exchange()
        exchange.read("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", at: 10)
        exchange.read("\u{16}\u{3}\u{1}", readable: 20, at: 21)
        exchange.quickFlush("\u{16}\u{3}\u{3}", at: 30)
        #expect(exchange.responses.isEmpty)
        exchange.state(.finWait1, from: .established, at: 40)
        exchange.state(.finWait2, from: .finWait1, at: 41)
        #expect(try #require(exchange.responses.first).responseBytes == 41)
    }

    @Test("a client that was only done with sending", arguments: [true, false])
    func halfClosed(sendsAfter: Bool) throws {
        let exchange = Exchange()
        exchange.read("GET / HTTP/1.1\r\n\r\n", readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.0 200 OK\r\n\r\n", at: 10)
        exchange.state(.closeWait, from: .established, at: 50)
        if sendsAfter { exchange.quickFlush("more", at: 60) }
        exchange.state(.closed, from: .lastAck, at: 90)
        #expect(try #require(exchange.responses.first).endedBy == (sendsAfter ? .complete : .clientFin))
    }
}
