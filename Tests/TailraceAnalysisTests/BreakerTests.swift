// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite struct BreakerTests {
    private let second: Nanoseconds = 1_000_000_000

    /// The level after each second.
    private func levels(
        _ breaker: inout Breaker, _ shares: [Double], bytes: Int64 = 0, from begin: Int64 = 0
    ) -> [DetailLevel] {
        shares.enumerated().map { index, share in
            _ = breaker.take(share: share, bytes: bytes, at: (begin + Int64(index)) * second)
            return breaker.level
        }
    }

    @Test func aBurstIsNotWorthAStep() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        let bursts = (0..<300).map { $0 % 30 < 2 ? 0.9 : 0.05 }
        #expect(levels(&breaker, bursts).allSatisfy { $0 == .full })
    }

    @Test func whatIsBeyondNearlyAlwaysIsNoBurst() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        let shares = (0..<100).map { $0 % 5 == 4 ? 0.05 : 0.9 }
        #expect(levels(&breaker, shares).last == .noConnections)
    }

    /// What is looked at once in five seconds takes most in one of them.
    @Test func theMeanOfFiveSecondsCounts() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        #expect(levels(&breaker, [Double](repeating: 0.2, count: 10)).last == .fewLooks)
        let looks = (0..<70).map { $0 % 5 == 0 ? 0.11 : 0.01 }
        #expect(levels(&breaker, looks, from: 10).last == .noStreams)
    }

    @Test func whatWasTakenBackInVainWaitsTwiceAsLong() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        var ups: [Int] = []
        for second in 0..<4000 {
            // More than it may at full detail, well below the limit with less.
            let share = breaker.level == .full ? 0.12 : 0.05
            let before = breaker.level
            _ = breaker.take(share: share, bytes: 0, at: Int64(second) * self.second)
            if breaker.level < before { ups.append(second) }
        }
        let waits = zip(ups.dropFirst(), ups).map { $0 - $1 }
        #expect(waits.count == 5)
        for (wait, next) in zip(waits, waits.dropFirst()) { #expect(next >= 2 * wait - 20 && next <= 2 * wait + 20) }
    }

    @Test func whatIsDoneEveryOtherSecondIsNoBurst() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        let shares = (0..<60).map { $0 % 2 == 0 ? 0.3 : 0.01 }
        #expect(levels(&breaker, shares).last == .noConnections)
    }

    /// What was learned of one level says nothing of another.
    @Test func oneBurstDoesNotBlindItForAnHour() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        var now: Int64 = 0
        while now < 10_000 || breaker.level != .noStreams {
            _ = breaker.take(share: breaker.level == .full ? 0.12 : 0.05, bytes: 0, at: now * second)
            now += 1
        }
        #expect(levels(&breaker, [Double](repeating: 0.5, count: 25), from: now).last == .noConnections)
        #expect(levels(&breaker, [Double](repeating: 0.01, count: 300), from: now + 25).last == .noStreams)
    }

    @Test func otherLimitsBeginAnew() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        for now in 0..<3000 as Range<Int64> {
            _ = breaker.take(share: breaker.level == .full ? 0.12 : 0.05, bytes: 0, at: now * second)
        }
        breaker.limits.share = 0.5
        #expect(levels(&breaker, [Double](repeating: 0.12, count: 70), from: 3000).last == .full)
    }

    @Test func whatLastedIsNotHeldAgainstIt() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        for begin in [0, 1000, 2000] as [Int64] {
            #expect(levels(&breaker, [Double](repeating: 0.2, count: 5), from: begin).last == .noStreams)
            #expect(levels(&breaker, [Double](repeating: 0.01, count: 70), from: begin + 5).last == .full)
        }
    }

    @Test func whatStaysBeyondLosesDetailStepByStepAndNeverMoreThanThereIs() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        let found = levels(&breaker, [Double](repeating: 0.2, count: 60))
        #expect(found[3] == .full && found[4] == .noStreams && found[9] == .fewLooks && found[14] == .noTasks)
        #expect(found.last == .noConnections && breaker.steps == 5)
    }

    @Test func memoryAloneIsEnough() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        #expect(levels(&breaker, [Double](repeating: 0, count: 7), bytes: 1001).last == .noStreams)
    }

    @Test func detailComesBackAfterAMinuteWellBelowAndNotJustBelow() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        #expect(levels(&breaker, [Double](repeating: 0.2, count: 6)).last == .noStreams)
        #expect(levels(&breaker, [Double](repeating: 0.08, count: 200), from: 6).last == .noStreams)
        // Two more until the mean of five is well below.
        let found = levels(&breaker, [Double](repeating: 0.06, count: 63), from: 206)
        #expect(found[61] == .noStreams && found[62] == .full)
    }
}
