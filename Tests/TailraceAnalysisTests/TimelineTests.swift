// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite("Timeline: every nanosecond in one stage")
struct TimelineTests {
    private let request = "GET /a?secret=1 HTTP/1.1\r\nHost: x\r\n\r\n"

    @Test("one flush: read, app, send, queue, qdisc, network")
    func singleFlush() throws {
        let exchange = Exchange()
        exchange.read(request, readable: 100, at: 110)
        exchange.flush(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            .init(enter: 150, exit: 160, queued: 200, transmitted: 230, acked: 300))
        let response = try #require(exchange.responses.first)
        #expect(
            response.microseconds == [.read: 10, .app: 40, .send: 10, .queue: 40, .qdisc: 30, .network: 70])
        #expect(response.timeline.total == response.duration)
        #expect(response.timeline[.driver] == 0)
        #expect(response.endedBy == .complete)
        #expect(response.target == "/a")
        #expect(response.timeToFirstFlush == 50_000)
    }

    @Test("a last byte that leaves inside its send call ends `send`")
    func leavesInsideCall() throws {
        let exchange = Exchange()
        exchange.read(request, readable: 100, at: 100)
        exchange.flush(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            .init(enter: 150, exit: 190, queued: 160, transmitted: 165, acked: 180))
        let response = try #require(exchange.responses.first)
        #expect(response.microseconds == [.app: 50, .send: 10, .qdisc: 5, .network: 15])
        #expect(response.timeline.total == response.duration)
        #expect(response.duration == 80_000)
    }

    @Test("waiting for room is `blocked`, not `send` and not `app`")
    func blocked() throws {
        let exchange = Exchange()
        exchange.read(request, readable: 0, at: 100)
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        exchange.flush(
            head, bytes: head.utf8.count + 100_000,
            .init(enter: 110, exit: 910, queued: 1000, transmitted: 1001, acked: 1100, blocked: 700)
        ) { $0.sendTime = 100_000 }
        let response = try #require(exchange.responses.first)
        #expect(
            response.microseconds == [.app: 10, .send: 100, .blocked: 700, .queue: 90, .qdisc: 1, .network: 99])
        #expect(response.causes.total == 790_000)
    }

    @Test("the time between flushes is the server's own")
    func gaps() throws {
        let exchange = Exchange()
        exchange.read(request, readable: 0, at: 100)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", at: 200)
        exchange.quickFlush("2\r\nhi\r\n", at: 1200)
        exchange.quickFlush("0\r\n\r\n", at: 2200)
        let response = try #require(exchange.responses.first)
        #expect(response.timeline[.app] == Int64(2_098_000))
        #expect(response.timeline.total == response.duration)
        #expect(response.flushes == 3)
        #expect(response.gapSent.max == 1_000_000)
        #expect(response.timeToFirstFlush == 1_100_000)
    }

    @Test("the wait for accept is apart from the wait for the read")
    func accept() throws {
        let exchange = Exchange()
        exchange.read(request, readable: 0, at: 300)
        exchange.quickFlush("HTTP/1.1 204 No Content\r\n\r\n", at: 310)
        // readable 0 on the first request: it came with the handshake, before anyone could accept.
        let response = try #require(exchange.responses.first)
        #expect(response.timeline.total == response.duration)
    }

    @Test("any marks, in any order: stages are never negative and sum to the duration", arguments: 0..<300)
    func anyMarks(seed: Int) throws {
        var generator = SeededGenerator(state: UInt64(seed))
        let time = { (generator: inout SeededGenerator) in Int64.random(in: 0...1000, using: &generator) }
        let exchange = Exchange(firstSequence: .max - 30)
        exchange.read(request, readable: time(&generator), at: 1 + time(&generator))
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            let marks = Exchange.Marks(
                enter: 1 + time(&generator), exit: 1 + time(&generator), queued: time(&generator),
                transmitted: time(&generator), acked: time(&generator), blocked: time(&generator))
            exchange.flush("HTTP/1.1 200 OK\r\n\r\n", marks) {
                $0.rwndLimited = Int64.random(in: 0...2_000_000, using: &generator)
                $0.isDeviceLimited = Bool.random(using: &generator)
                $0.isLoopback = Bool.random(using: &generator)
            }
        }
        exchange.state(.closed, from: .lastAck, at: time(&generator))
        let response = try #require(exchange.responses.last)
        #expect(response.timeline.total == response.duration)
        for stage in Stage.allCases { #expect(response.timeline[stage] ?? 0 >= 0) }
        let held = (response.timeline[.blocked] ?? 0) + (response.timeline[.queue] ?? 0)
        #expect(response.causes.total == held)
    }
}
