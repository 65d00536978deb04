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
        let bursts = (0..<100).map { $0 % 5 == 4 ? 0.05 : 0.9 }
        #expect(levels(&breaker, bursts).allSatisfy { $0 == .full })
    }

    @Test func whatStaysBeyondLosesDetailStepByStepAndNeverMoreThanThereIs() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        let found = levels(&breaker, [Double](repeating: 0.2, count: 60))
        #expect(found[4] == .full && found[5] == .noStreams && found[10] == .noTasks)
        #expect(found.last == .noConnections && breaker.steps == 4)
    }

    @Test func memoryAloneIsEnough() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        #expect(levels(&breaker, [Double](repeating: 0, count: 7), bytes: 1001).last == .noStreams)
    }

    @Test func detailComesBackAfterAMinuteWellBelowAndNotJustBelow() {
        var breaker = Breaker(limits: .init(share: 0.1, bytes: 1000))
        #expect(levels(&breaker, [Double](repeating: 0.2, count: 6)).last == .noStreams)
        #expect(levels(&breaker, [Double](repeating: 0.08, count: 200), from: 6).last == .noStreams)
        let found = levels(&breaker, [Double](repeating: 0.06, count: 62), from: 206)
        #expect(found[59] == .noStreams && found[60] == .full)
    }
}
