// SPDX-License-Identifier: MIT
import Glibc
import NIOConcurrencyHelpers
import SeededRandom
import Testing

@testable import TailraceService

@Suite("Clients that mean no good", .serialized)
struct HostileClientTests {
    private static var quick: ServiceLimits {
        var limits = ServiceLimits()
        (limits.idle, limits.stalled, limits.parting) = (300_000_000, 500_000_000, 300_000_000)
        return limits
    }

    @Test("a silent one is closed, and one that is slow with its head")
    func silent() throws {
        let rig = try Rig(Self.quick)
        let (silent, slow, idle) = (rig.client(), rig.client(), rig.client())
        idle.get("/a")
        _ = idle.read(until: "</a>")
        for byte in "GET /slow HTTP/1.1\r\nHo" where !slow.isEnded(within: 0.05) { slow.send([byte.asciiValue ?? 0]) }
        #expect(silent.isEnded(within: 5) && slow.isEnded(within: 5) && idle.isEnded(within: 5))
        let account = rig.account { $0.closed == 3 }
        #expect(account.timedOut == 2 && account.idled == 1 && account.closed == 3, "\(account)")
        #expect(account.requests == 1 && account.malformed == 0, "\(account)")
    }

    @Test("a hundred at once are either served or told that there are too many")
    func crowd() throws {
        let rig = try Rig()
        let clients = (0..<100).map { _ in rig.client() }
        #expect(clients.allSatisfy { $0.isConnected })
        for client in clients { client.get("/a") }
        let replies = clients.map { $0.read(until: "\r\n\r\n") }
        #expect(replies.count { $0.hasPrefix("HTTP/1.1 200 OK") } == 16, "\(replies)")
        #expect(
            replies.count { $0.hasPrefix("HTTP/1.1 503 Service Unavailable") } == 84, "nobody is left without a word")
        // Some of them had the place of those who only ask about the health, until they asked for something else.
        let account = rig.account { $0.refusedClients + $0.turnedAway == 84 && $0.answered == 16 && $0.open == 16 }
        #expect(account.accepted == 100 && account.open == 16 && account.turnedAway > 0, "\(account)")
        #expect(account.refusedClients + account.turnedAway == 84, "\(account)")
        for client in clients { shutdown(client.socket, CInt(SHUT_RDWR)) }
        #expect(rig.account { $0.open == 0 }.closed == 16 + account.turnedAway)
        let next = rig.client()
        next.get("/b")
        #expect(next.read(until: "</b>").contains("200 OK"), "there is room again")
    }

    @Test("a head that is too long is refused, however it is sent")
    func longHead() throws {
        for text in [
            "GET /\(String(repeating: "a", count: 1 << 20))",
            "GET / HTTP/1.1\r\nX: " + String(repeating: " ", count: 1 << 20),
            "GET / HTTP/1.1\r\nX: " + String(repeating: "b", count: 1 << 20),
            "GET / HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 1 << 17),
            String(repeating: "\r\n", count: 1 << 19),
        ] {
            let rig = try Rig(Self.quick)
            let client = rig.client()
            TestThread.start { client.send(text) }
            let reply = client.read()
            #expect(reply.hasPrefix("HTTP/1.1 431 ") || reply.isEmpty, "\(reply) to \(text.prefix(30))")
            let account = rig.account { $0.closed == 1 }
            #expect(
                account.malformed + account.timedOut == 1 && account.requests == 0, "\(account) to \(text.prefix(30))")
        }
    }

    @Test(
        "what is no request that is served is refused with its reason",
        arguments: [
            ("POST / HTTP/1.1\r\nHost: \r\nContent-Length: 3\r\n\r\nabc", 405),
            ("DELETE / HTTP/1.1\r\nHost: \r\n\r\n", 405), ("CONNECT a:1 HTTP/1.1\r\nHost: \r\n\r\n", 405),
            ("GET / HTTP/1.1\r\nHost: \r\nContent-Length: 3\r\n\r\nabc", 413),
            ("GET / HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
            ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ("GET a HTTP/1.1\r\nHost: \r\n\r\n", 400), ("GET http://a/ HTTP/1.1\r\nHost: \r\n\r\n", 400),
            ("GET /../etc HTTP/1.1\r\nHost: \r\n\r\n", 400), ("GET /%2e%2e/etc HTTP/1.1\r\nHost: \r\n\r\n", 400),
            ("GET /a%0ab HTTP/1.1\r\nHost: \r\n\r\n", 400), ("GET /?a=1&a=2 HTTP/1.1\r\nHost: \r\n\r\n", 400),
            ("GET / HTTP/3.0\r\nHost: \r\n\r\n", 400), ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n", 400),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHo st: \r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n", 400),
        ])
    func malformed(bytes: String, status: Int) throws {
        let rig = try Rig()
        let client = rig.client()
        client.send(bytes)
        let reply = client.read()
        let found = reply.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        #expect(found == status || [400, 405, 413, 505].contains(found) && status == 400, "\(reply)")
        #expect(reply.contains("{\"error\":\"") && reply.contains("Connection: close\r\n"), "\(reply)")
        let account = rig.account { $0.malformed == 1 }
        #expect(account.malformed == 1 && account.requests == 0, "\(account)")
    }

    @Test("whatever bytes come, the service lives and its account adds up", arguments: 0..<20)
    func garbage(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        let rig = try Rig(Self.quick)
        let pieces = [
            "GET /a HTTP/1.1\r\n", "Host: \r\n", "\r\n", "HEAD ", " /b?c=%", "\0", "\n", ":", "HTTP/1.1", "é",
        ]
        for _ in 0..<30 {
            let client = rig.client()
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                if Bool.random(using: &random) {
                    client.send(pieces.randomElement(using: &random) ?? "")
                } else {
                    client.send(
                        (0..<Int.random(in: 1...40, using: &random)).map { _ in .random(in: 0 ... .max, using: &random)
                        })
                }
            }
            if Bool.random(using: &random) { client.finish() }
            if Bool.random(using: &random) { _ = client.read(seconds: 0.01) }
        }
        let account = rig.account { $0.open == 0 && $0.waiting == 0 && $0.accepted == 30 }
        #expect(account.accepted == account.closed + account.refusedClients && account.open == 0, "\(account)")
        #expect(account.waiting == 0, "\(account)")
        let client = rig.client()
        client.get("/v1/health")
        #expect(client.read(until: "</v1/health>").contains("200 OK"))
    }
}
