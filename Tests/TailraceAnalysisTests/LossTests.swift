// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite("What lost records leave behind")
struct LossTests {
    private func request(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n" }
    private let reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    @Test("a response of which nothing was told leaves the next one exact")
    func wholeResponse() {
        let exchange = Exchange()
        for (index, path) in ["/1", "/2", "/3"].enumerated() {
            let time = Int64(100 * index + 1)
            if index == 1 {
                exchange.loseRecords(bytes: 500)
                continue
            }
            exchange.read(request(path), readable: time, at: time + 1)
            exchange.quickFlush(reply, at: time + 10)
        }
        #expect(exchange.responses.map(\.target) == ["/1", "/3"])
        #expect(exchange.responses.allSatisfy { $0.responseBytes == Int64(reply.utf8.count) && !$0.isEstimated })
    }

    @Test("requests whose flush was lost do not take the flushes of those behind them")
    func noShift() {
        let exchange = Exchange()
        exchange.read(request("/1"), readable: 1, at: 2)
        exchange.loseRecords(bytes: 500)
        for index in 2...4 {
            let time = Int64(100 * index)
            exchange.read(request("/\(index)"), readable: time, at: time + 1)
            exchange.quickFlush(reply, at: time + 10)
        }
        #expect(exchange.responses.map(\.target) == ["/1", "/2", "/3", "/4"])
        #expect(exchange.responses.map(\.isEstimated) == [true, false, false, false])
        #expect(exchange.responses.first?.endedBy == .unknown)
        #expect(exchange.responses.dropFirst().allSatisfy { $0.responseBytes == Int64(reply.utf8.count) })
    }

    @Test("a flush behind a lost read is not the response's before it")
    func lostRead() {
        let exchange = Exchange()
        exchange.read(request("/1"), readable: 1, at: 2)
        exchange.quickFlush("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegin", at: 10)
        exchange.loseRecords(bytes: 4)
        exchange.flush(reply, .init(enter: 200, exit: 201, queued: 201, transmitted: 202, acked: 204)) {
            $0.isAfterRead = true
        }
        exchange.state(.closed, from: .established, at: 300)
        #expect(exchange.responses.count == 2)
        #expect(exchange.responses.allSatisfy { $0.isEstimated })
        #expect(exchange.responses.map(\.target) == ["/1", nil])
        #expect(exchange.responses.last?.responseBytes == Int64(reply.utf8.count))
    }

    @Test("a connection that several looks did not meet is gone, and what was open on it ends")
    func unseen() {
        let exchange = Exchange()
        exchange.read(request("/1"), readable: 1, at: 2)
        for round in 1...2 {
            exchange.look(from: Int64(1000 * round), to: Int64(1000 * round) + 10, meets: false)
            #expect(exchange.responses.isEmpty)
            #expect(exchange.open(at: 5000).map(\.isEstimated) == [true])
        }
        exchange.look(from: 3000, to: 3010, meets: true)
        exchange.look(from: 4000, to: 4010, meets: false)
        exchange.look(from: 5000, to: 5010, meets: false)
        #expect(exchange.responses.isEmpty)
        exchange.look(from: 6000, to: 6010, meets: false)
        #expect(exchange.responses.map(\.endedBy) == [.unknown])
        #expect(exchange.responses.map(\.isEstimated) == [true])
    }

    @Test("of a client that does not wait for its answers, everything after a loss is marked")
    func pipelined() {
        let exchange = Exchange()
        exchange.read(request("/1") + request("/2"), readable: 1, at: 2)
        exchange.quickFlush(reply, at: 10)
        exchange.quickFlush(reply, at: 20)
        exchange.loseRecords()
        for index in 3...5 {
            exchange.read(request("/\(index)"), readable: Int64(100 * index), at: Int64(100 * index) + 1)
            exchange.quickFlush(reply, at: Int64(100 * index) + 10)
        }
        #expect(exchange.responses.map(\.isEstimated) == [false, false, true, true, true])
    }
}
