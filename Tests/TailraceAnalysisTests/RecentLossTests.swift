// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceModel
import Testing

/// What was lost lately, and that it is forgotten.
@Suite struct RecentLossTests {
    private static let second: Nanoseconds = 1_000_000_000

    private func lost(_ count: UInt64) -> Loss {
        var loss = Loss()
        (loss.made, loss.delivered, loss.lost) = (1000 + count, 1000, ["flushes": count])
        return loss
    }

    @Test func whatWasLostIsTiedToItsTimeAndForgottenAfterTheWindow() {
        var recent = RecentLoss()
        for second in 0..<1000 {
            let now = Nanoseconds(second) * Self.second
            let loss = lost(second < 100 ? 0 : 7)
            recent.take(loss, at: now)
            let isRecent = second >= 100 && second < 395
            if isRecent { #expect(recent.of(loss, at: now).unseen == 7, "at \(second) s") }
            if second < 100 || second > 415 { #expect(recent.of(loss, at: now).unseen == 0, "at \(second) s") }
        }
    }

    @Test func whatOnlyOneLookFoundIsThereAndWhatNobodyToldIsAll() {
        #expect(RecentLoss().of(lost(3), at: 0).unseen == 3)
        var recent = RecentLoss()
        recent.take(lost(0), at: 0)
        #expect(recent.of(lost(3), at: Self.second).unseen == 3)
        // Nobody looked for hours.
        recent.take(lost(3), at: 20 * Self.second)
        #expect(recent.of(lost(3), at: 9000 * Self.second).unseen == 0)
        #expect(recent.of(lost(5), at: 9000 * Self.second).unseen == 2)
    }
}
