// SPDX-License-Identifier: MIT
import Glibc
import NIOConcurrencyHelpers
import Testing

@testable import TailraceService

@Suite("Feeds and clients that do not read", .serialized)
struct FeedTests {
    /// Keeps the feeds that were asked for.
    private final class Feeds: Sendable {
        private let feeds = NIOLockedValueBox<[Feed]>([])

        @Sendable func answer(_ request: ServiceRequest) {
            feeds.withLockedValue { $0.append(request.stream(type: "text/event-stream")) }
        }

        func wait(for count: Int) -> [Feed] {
            for _ in 0..<1000 where feeds.withLockedValue({ $0.count }) < count { usleep(5000) }
            return feeds.withLockedValue { $0 }
        }

        func letGo() { feeds.withLockedValue { $0 = [] } }
    }

    @Test("one that does not read is dropped, the others are served, and nobody waits")
    func slow() throws {
        let feeds = Feeds()
        let rig = try Rig(answer: feeds.answer)
        let (slow, quick) = (rig.client(), rig.client())
        slow.get("/slow")
        let first = try #require(feeds.wait(for: 1).first)
        quick.get("/quick")
        let second = try #require(feeds.wait(for: 2).last)
        let piece = [UInt8](repeating: 0x61, count: 10_000)
        var sent = 0
        while first.send(piece) { sent += piece.count }
        #expect(!first.isOpen && !first.send([1]))
        // What its socket took is not unsent.
        #expect(sent > 1 << 20 - 20_000 && sent < 4 << 20, "\(sent)")
        #expect(second.send(Array("data: still here\n\n".utf8)))
        #expect(quick.read(until: "still here").contains("200 OK"))
        let account = rig.account { $0.dropped == 1 && $0.open == 1 }
        #expect(
            account.dropped == 1 && account.streams == 2 && account.abandoned == 0 && account.open == 1, "\(account)")
        #expect(!slow.read().hasSuffix("0\r\n\r\n"), "it does not look like the end")
    }

    @Test("one that reads gets every byte in order")
    func whole() throws {
        let feeds = Feeds()
        let rig = try Rig(answer: feeds.answer)
        let client = rig.client()
        client.send("GET / HTTP/1.0\r\n\r\n")
        let feed = try #require(feeds.wait(for: 1).first)
        let got = NIOLockedValueBox("")
        let isRead = NIOLockedValueBox(false)
        TestThread.start {
            let text = client.read()
            got.withLockedValue { $0 = text }
            isRead.withLockedValue { $0 = true }
        }
        var wanted = ""
        for number in 0..<20_000 {
            let line = "\(number) \(String(repeating: "x", count: number % 300))\n"
            wanted += line
            while !feed.send(Array(line.utf8)) {
                Issue.record("it was dropped at \(number)")
                return
            }
            if number % 100 == 0 { usleep(3000) }
        }
        feed.end()
        for _ in 0..<1000 where !isRead.withLockedValue({ $0 }) { usleep(5000) }
        #expect(got.withLockedValue { $0 }.hasSuffix("\r\n\r\n" + wanted), "all of it")
        #expect(rig.account { $0.open == 0 }.dropped == 0)
    }

    @Test("one that is gone is known before anything is sent, and its feed ends")
    func gone() throws {
        let feeds = Feeds()
        let rig = try Rig(answer: feeds.answer)
        var client: Client? = rig.client()
        client?.get("/")
        let feed = try #require(feeds.wait(for: 1).first)
        _ = client?.read(until: "\r\n\r\n")
        client = nil
        for _ in 0..<1000 where feed.isOpen { usleep(5000) }
        #expect(!feed.isOpen && !feed.send([1]))
        let account = rig.account { $0.open == 0 }
        #expect(
            account.closed == 1 && account.dropped == 0 && account.streams == 1 && account.waiting == 0, "\(account)")
    }

    @Test("one that is let go of without an end is cut off")
    func letGo() throws {
        let feeds = Feeds()
        let rig = try Rig(answer: feeds.answer)
        let client = rig.client()
        client.get("/")
        feeds.wait(for: 1).first?.send(Array("some".utf8))
        feeds.letGo()
        let reply = client.read()
        #expect(!reply.hasSuffix("0\r\n\r\n"), "\(reply)")
        #expect(rig.account { $0.open == 0 }.closed == 1)
    }

    @Test("who asks for much and takes nothing is asked for no more, and dropped")
    func takesNothing() throws {
        var limits = ServiceLimits()
        limits.stalled = 500_000_000
        let asked = NIOLockedValueBox(0)
        let rig = try Rig(limits) { request in
            asked.withLockedValue { $0 += 1 }
            request.answer(status: 200, type: "text/plain", [UInt8](repeating: 0x61, count: 4 << 20))
        }
        let client = rig.client()
        for _ in 0..<20 { client.get("/") }
        let account = rig.account { $0.closed == 1 }
        #expect(asked.withLockedValue { $0 } == 1, "its second request waits until it took the first reply")
        #expect(account.dropped == 1 && account.abandoned == 1 && account.requests == 1, "\(account)")
        let patient = rig.client()
        patient.get("/")
        var count = 0
        while count < 4 << 20 {
            let text = patient.read(until: "a", seconds: 2)
            if text.isEmpty { break }
            count += text.utf8.count
            usleep(30_000)
        }
        #expect(count > 4 << 20, "who takes some every now and then is served to the end")
        #expect(rig.account { $0.answered == 1 }.dropped == 1)
    }

    @Test("a client that leaves before its answer is counted")
    func leaves() throws {
        let kept = NIOLockedValueBox<[ServiceRequest]>([])
        let rig = try Rig { request in kept.withLockedValue { $0.append(request) } }
        var client: Client? = rig.client()
        client?.get("/")
        for _ in 0..<1000 where kept.withLockedValue({ $0.isEmpty }) { usleep(5000) }
        #expect(rig.service.account.waiting == 1)
        client = nil
        let account = rig.account { $0.open == 0 }
        #expect(account.abandoned == 1 && account.waiting == 0 && account.closed == 1, "\(account)")
        kept.withLockedValue { $0.removeFirst() }.answer(status: 200, type: "text/plain", [1])
        #expect(rig.service.account == account, "an answer that comes then changes nothing")
    }

    @Test("too many a second are turned away, and so are more than wait")
    func tooOften() throws {
        var limits = ServiceLimits()
        limits.requestsPerSecond = 10
        let rig = try Rig(limits)
        let client = rig.client()
        for number in 0..<30 { client.get("/n/\(number)") }
        let account = rig.account { $0.requests == 30 && $0.waiting == 0 }
        #expect(account.turnedAway >= 15 && account.answered + account.turnedAway == 30, "\(account)")
        #expect(account.malformed == 0 && account.open == 1, "\(account)")

        let full = try Rig(inbox: Inbox(most: 0))
        let other = full.client()
        other.get("/")
        #expect(other.read(until: "\"}\n").hasPrefix("HTTP/1.1 503 "))
        #expect(full.account { $0.turnedAway == 1 }.waiting == 0)
    }
}
