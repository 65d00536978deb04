// SPDX-License-Identifier: MIT
import TailraceModel

/// What waits for the collector, one at a time and in order, and when it is tried again. Time and chance are passed in.
struct OTLPQueue {
    struct Item: Equatable {
        let number: UInt64
        let path: OTLPSender.Path
        let body: [UInt8]
        let since: Nanoseconds
    }

    enum Step: Equatable {
        case send(Item)
        case wait(until: Nanoseconds)
        /// Until there is more to send, or what is on its way has arrived.
        case rest
    }

    /// What an attempt came to.
    enum Outcome: Equatable {
        /// `rejected`: points or spans that the collector did not keep.
        case taken(rejected: UInt64)
        /// Not now. `after`: as the collector asked.
        case later(after: Nanoseconds?, why: String)
        case never(why: String)

        /// By HTTP's status.
        init(status: Int, retryAfter: Nanoseconds?, rejected: UInt64) {
            let why = "the collector answered \(status)"
            switch status {
            case 200..<300: self = .taken(rejected: rejected)
            case 429, 502, 503, 504: self = .later(after: retryAfter, why: why)
            default: self = .never(why: why)
            }
        }
    }

    /// For how long a body is worth sending.
    static let longest: Nanoseconds = 300_000_000_000
    static let firstPause: Nanoseconds = 1_000_000_000
    static let longestPause: Nanoseconds = 60_000_000_000
    /// However long the collector asks to be left alone.
    static let longestAsked: Nanoseconds = 600_000_000_000

    private let mostBytes: Int
    private var items: [Item] = []
    private var isOnItsWay = false
    private var attempts = 0
    private var pauseEnd: Nanoseconds = .min
    private(set) var account = OTLPAccount()

    /// `mostBytes`: of bodies.
    init(mostBytes: Int) { self.mostBytes = mostBytes }

    /// The newest are worth more than the oldest, of which the one on its way is left alone. false: it alone is too much.
    mutating func add(_ path: OTLPSender.Path, _ body: [UInt8], at now: Nanoseconds) -> Bool {
        account.offered += 1
        let place = isOnItsWay ? 1 : 0
        let fixed = isOnItsWay ? items[0].body.count : 0
        guard fixed + body.count <= mostBytes else {
            account.droppedFull += 1
            return false
        }
        while Int(account.queuedBytes) + body.count > mostBytes {
            remove(at: place)
            account.droppedFull += 1
            if place == 0 { attempts = 0 }
        }
        items.append(Item(number: account.offered, path: path, body: body, since: now))
        account.queued += 1
        account.queuedBytes += UInt64(body.count)
        return true
    }

    /// What is to be done now; what is to be sent is on its way from here on.
    mutating func next(at now: Nanoseconds) -> Step {
        if isOnItsWay { return .rest }
        while let first = items.first, now - first.since >= Self.longest {
            remove(at: 0)
            account.droppedExpired += 1
            attempts = 0
        }
        guard let first = items.first else { return .rest }
        // Also to let what gets too old go in time.
        if now < pauseEnd { return .wait(until: min(pauseEnd, first.since + Self.longest)) }
        isOnItsWay = true
        if attempts > 0 { account.retried += 1 }
        attempts += 1
        return .send(first)
    }

    /// The one that was on its way is not any more. `chance`: in 0..<1, so that many senders do not come back at once.
    mutating func ended(_ outcome: Outcome, at now: Nanoseconds, chance: Double) {
        guard isOnItsWay, let first = items.first else { return }
        isOnItsWay = false
        switch outcome {
        case .taken(let rejected):
            account.sent += 1
            account.sentBytes += UInt64(first.body.count)
            account.rejected += rejected
            account.failure = nil
            (attempts, pauseEnd) = (0, .min)
            remove(at: 0)
        case .never(let why):
            account.droppedRefused += 1
            account.failure = why
            (attempts, pauseEnd) = (0, .min)
            remove(at: 0)
        case .later(let asked, let why):
            account.failure = why
            pauseEnd = now + max(Self.pause(after: attempts, chance: chance), min(asked ?? 0, Self.longestAsked))
        }
    }

    /// What is left is never sent.
    mutating func stop() {
        account.droppedStopped += account.queued
        (account.queued, account.queuedBytes) = (0, 0)
        (items, isOnItsWay) = ([], false)
    }

    /// Between half and all of a time that doubles with every attempt.
    static func pause(after attempts: Int, chance: Double) -> Nanoseconds {
        let whole = min(firstPause << Int64(min(max(attempts, 1) - 1, 16)), longestPause)
        return whole / 2 + Nanoseconds(Double(whole / 2) * chance)
    }

    private mutating func remove(at place: Int) {
        let item = items.remove(at: place)
        account.queued -= 1
        account.queuedBytes -= UInt64(item.body.count)
    }
}
