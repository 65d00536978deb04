// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel
import Testing

@testable import TailraceService

@Suite("Sending to a collector", .serialized)
struct OTLPSenderTests {
    private func sender(
        to port: Int, prefix: String = "", timeout: Nanoseconds = 5_000_000_000, queueBytes: Int = 1 << 20
    ) throws -> OTLPSender {
        try OTLPSender(
            endpoint: OTLPEndpoint("http://127.0.0.1:\(port)\(prefix)"), headers: [("X-Tenant", "blue")],
            queueBytes: queueBytes, timeout: timeout)
    }

    private func account(of sender: OTLPSender, where isTrue: (OTLPAccount) -> Bool) -> OTLPAccount {
        for _ in 0..<2000 where !isTrue(sender.account) { usleep(5000) }
        return sender.account
    }

    @Test("posts each body once, as it is")
    func posts() throws {
        let collector = try Collector { _ in .status(200) }
        let sender = try sender(to: collector.port, prefix: "/in")
        sender.send(.metrics, Array(#"{"resourceMetrics":[]}"#.utf8))
        sender.start()
        let large = [UInt8](repeating: 0x20, count: 500_000)
        sender.send(.traces, large)
        let account = account(of: sender) { $0.sent == 2 }
        #expect(
            account.sent == 2 && account.retried == 0 && account.dropped == 0 && account.queuedBytes == 0, "\(account)")
        let posts = collector.received
        try #require(posts.count == 2)
        #expect(posts[0].head.hasPrefix("POST /in/v1/metrics HTTP/1.1\r\n"))
        #expect(posts[0].head.contains("\r\nX-Tenant: blue"))
        #expect(posts[0].head.contains("\r\nHost: 127.0.0.1:\(collector.port)"))
        #expect(posts[0].head.contains("\r\nContent-Type: application/json"))
        #expect(String(decoding: posts[0].body, as: UTF8.self) == #"{"resourceMetrics":[]}"#)
        #expect(posts[1].head.hasPrefix("POST /in/v1/traces ") && posts[1].body == large)
        sender.stop()
    }

    @Test("tries again where that can help, and not where it cannot")
    func retries() throws {
        let collector = try Collector { number in
            switch number {
            case 0: .status(503)
            case 1: .bytes("")
            case 2: .bytes("no HTTP at all\r\n\r\n")
            case 3: .status(200, body: #"{"partialSuccess":{"rejectedSpans":"2"}}"#)
            default: .status(400)
            }
        }
        let sender = try sender(to: collector.port)
        sender.start()
        sender.send(.traces, [1])
        sender.send(.traces, [2])
        let account = account(of: sender) { $0.droppedRefused == 1 }
        #expect(account.sent == 1 && account.retried == 3 && account.droppedRefused == 1 && account.rejected == 2)
        #expect(account.failure == "the collector answered 400")
        #expect(collector.received.map(\.body) == [[1], [1], [1], [1], [2]])
        sender.stop()
    }

    @Test("gives up an attempt that takes too long, and says so")
    func timesOut() throws {
        let collector = try Collector { $0 == 0 ? .silence(seconds: 0.6) : .status(200) }
        let sender = try sender(to: collector.port, timeout: 200_000_000)
        sender.start()
        sender.send(.metrics, [1])
        let waiting = account(of: sender) { $0.failure != nil }
        #expect(waiting.failure == "the collector did not answer in time" && waiting.queued == 1)
        let account = account(of: sender) { $0.sent == 1 }
        #expect(account.sent == 1 && account.retried >= 1)
        sender.stop()
    }

    @Test("finds a collector that comes later")
    func comesLater() throws {
        let port = try Collector { _ in .status(200) }.port
        let sender = try sender(to: port)
        sender.start()
        sender.send(.metrics, [1])
        let waiting = account(of: sender) { $0.failure != nil }
        #expect(waiting.failure == "the collector is not reachable")
        let collector = try Collector(port: port) { _ in .status(200) }
        #expect(account(of: sender) { $0.sent == 1 }.sent == 1)
        #expect(collector.received.count == 1)
        sender.stop()
    }

    @Test("never waits for a collector that does not answer, and keeps within its bytes")
    func neverWaits() throws {
        let collector = try Collector { _ in .silence(seconds: 2) }
        let sender = try sender(to: collector.port, queueBytes: 100_000)
        sender.start()
        let body = [UInt8](repeating: 0, count: 1000)
        for _ in 0..<5000 {
            sender.send(.metrics, body)
            #expect(sender.account.queuedBytes <= 100_000)
        }
        sender.stop()
        let account = sender.account
        #expect(account.offered == 5000 && account.droppedFull >= 4800 && account.queued == 0, "\(account)")
        #expect(account.sent + account.dropped == 5000)
    }

    @Test("refuses headers that would change what is sent")
    func headers() throws {
        let endpoint = try OTLPEndpoint("http://127.0.0.1")
        for header in [("Host", "x"), ("a b", "x"), ("X", "a\r\nB: c"), ("", "x"), ("Content-Length", "3")] {
            #expect(throws: ServiceError.self) { try OTLPSender(endpoint: endpoint, headers: [header]) }
        }
    }
}
