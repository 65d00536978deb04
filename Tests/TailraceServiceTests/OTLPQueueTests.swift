// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceService

private let second: Nanoseconds = 1_000_000_000

/// So that an expectation can ask it something that changes it.
private final class Queue {
    private var queue: OTLPQueue

    init(mostBytes: Int) { queue = OTLPQueue(mostBytes: mostBytes) }

    var account: OTLPAccount { queue.account }

    func add(_ body: [UInt8], at now: Nanoseconds) -> Bool { queue.add(.metrics, body, at: now) }
    func next(at now: Nanoseconds) -> OTLPQueue.Step { queue.next(at: now) }
    func ended(_ outcome: OTLPQueue.Outcome, at now: Nanoseconds, chance: Double) {
        queue.ended(outcome, at: now, chance: chance)
    }
    func stop() { queue.stop() }
}

@Suite("What waits for a collector")
struct OTLPQueueTests {
    private func number(of step: OTLPQueue.Step) -> UInt64? {
        if case .send(let item) = step { item.number } else { nil }
    }

    @Test("goes in order, one at a time")
    func order() {
        let queue = Queue(mostBytes: 100)
        for byte: UInt8 in 1...3 { #expect(queue.add([byte], at: 0)) }
        for wanted: UInt64 in 1...3 {
            #expect(number(of: queue.next(at: 0)) == wanted)
            #expect(queue.next(at: 0) == .rest, "the one before is on its way")
            queue.ended(.taken(rejected: wanted == 2 ? 5 : 0), at: 0, chance: 0)
        }
        #expect(queue.next(at: 0) == .rest)
        #expect(queue.account.sent == 3 && queue.account.sentBytes == 3 && queue.account.rejected == 5)
    }

    @Test("is tried again after a pause that doubles, and is not the same for all")
    func backoff() {
        let queue = Queue(mostBytes: 100)
        _ = queue.add([1], at: 0)
        var now: Nanoseconds = 0
        var pauses: [Nanoseconds] = []
        for _ in 0..<6 {
            #expect(number(of: queue.next(at: now)) == 1)
            queue.ended(.later(after: nil, why: "503"), at: now, chance: 0)
            guard case .wait(let until) = queue.next(at: now) else { break }
            #expect(queue.next(at: until - 1) == .wait(until: until), "not before")
            pauses.append(until - now)
            now = until
        }
        #expect(pauses == [500, 1000, 2000, 4000, 8000, 16000].map { $0 * 1_000_000 })
        #expect(queue.account.retried == 5 && queue.account.failure == "503")
        #expect(OTLPQueue.pause(after: 1, chance: 0.5) == 750_000_000)
        #expect(OTLPQueue.pause(after: 1000, chance: 0.999) < OTLPQueue.longestPause)
        queue.ended(.taken(rejected: 0), at: now, chance: 0)
        _ = queue.next(at: now)
        queue.ended(.taken(rejected: 0), at: now, chance: 0)
        #expect(queue.account.failure == nil && queue.account.sent == 1)
        _ = queue.add([2], at: now)
        #expect(number(of: queue.next(at: now)) == 2, "after a success there is no pause")
    }

    @Test("waits as long as the collector asks, within reason")
    func retryAfter() {
        for (asked, waited) in [(7 * second, 7 * second), (0, second / 2), (second * 86400, OTLPQueue.longest)] {
            let queue = Queue(mostBytes: 100)
            _ = queue.add([1], at: 0)
            _ = queue.next(at: 0)
            queue.ended(.later(after: asked, why: ""), at: 0, chance: 0)
            #expect(queue.next(at: 0) == .wait(until: waited))
        }
    }

    @Test("loses the oldest when there is too much, and never what is on its way")
    func full() {
        let queue = Queue(mostBytes: 10)
        for byte: UInt8 in 1...3 { _ = queue.add([byte, 0, 0], at: 0) }
        #expect(number(of: queue.next(at: 0)) == 1)
        #expect(queue.add([4, 0, 0, 0], at: 0))
        #expect(queue.account.droppedFull == 1 && queue.account.queued == 3 && queue.account.queuedBytes == 10)
        #expect(
            !queue.add([UInt8](repeating: 0, count: 8), at: 0), "beside the one on its way there is no room")
        #expect(!queue.add([UInt8](repeating: 0, count: 11), at: 0))
        queue.ended(.taken(rejected: 0), at: 0, chance: 0)
        #expect(number(of: queue.next(at: 0)) == 3)
    }

    @Test("is let go of when it is too old")
    func expires() {
        let queue = Queue(mostBytes: 100)
        _ = queue.add([1], at: 0)
        _ = queue.next(at: 0)
        queue.ended(.later(after: 600 * second, why: ""), at: 0, chance: 0)
        #expect(queue.next(at: 0) == .wait(until: OTLPQueue.longest))
        #expect(queue.next(at: OTLPQueue.longest) == .rest)
        #expect(queue.account.droppedExpired == 1 && queue.account.queued == 0)
    }

    @Test(
        "what a status means",
        arguments: [200, 202, 204, 301, 400, 401, 404, 413, 429, 500, 502, 503, 504, 505])
    func statuses(status: Int) {
        let outcome = OTLPQueue.Outcome(status: status, retryAfter: 3, rejected: 1)
        switch status {
        case 200, 202, 204: #expect(outcome == .taken(rejected: 1))
        case 429, 502, 503, 504: #expect(outcome == .later(after: 3, why: "the collector answered \(status)"))
        default: #expect(outcome == .never(why: "the collector answered \(status)"))
        }
    }

    @Test("whatever happens, the account adds up", arguments: 0..<200)
    func account(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        let queue = Queue(mostBytes: 50)
        var now: Nanoseconds = 0
        var isOnItsWay = false
        for _ in 0..<300 {
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1:
                let size = Int.random(in: 0...60, using: &random)
                _ = queue.add([UInt8](repeating: 1, count: size), at: now)
            case 2: now += .random(in: 0...(100 * second), using: &random)
            case 3:
                if case .send = queue.next(at: now) {
                    #expect(!isOnItsWay)
                    isOnItsWay = true
                }
            default:
                let outcomes: [OTLPQueue.Outcome] = [
                    .taken(rejected: 0), .later(after: nil, why: ""), .later(after: 5 * second, why: ""),
                    .never(why: ""),
                ]
                queue.ended(outcomes.randomElement(using: &random) ?? .never(why: ""), at: now, chance: 0.5)
                isOnItsWay = false
            }
            let account = queue.account
            #expect(account.offered == account.sent + account.queued + account.dropped)
            #expect(account.queuedBytes <= 50)
        }
        queue.stop()
        #expect(queue.account.offered == queue.account.sent + queue.account.dropped)
    }
}
