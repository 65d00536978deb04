// SPDX-License-Identifier: MIT
import Testing

@testable import TailraceTasks

@Suite("who created whom")
struct GoDescentTests {
    private let descent: GoDescent = {
        var descent = GoDescent()
        for (goroutine, parent): (UInt64, UInt64) in [
            (2, 1), (3, 2), (4, 2), (5, 4), (9, 7), (10, 10), (12, 11), (11, 12),
        ] {
            descent.add(goroutine, parent: parent)
        }
        return descent
    }()

    @Test("a root counts where it is there, and its descendants count without it too")
    func counts() {
        #expect(descent.count(from: 2) == 4)
        #expect(descent.count(from: 4) == 2)
        #expect(descent.count(from: 5) == 1)
        #expect(descent.count(from: 7) == 1)
        #expect(descent.count(from: 99) == 0)
    }

    @Test("a lie that goes round ends")
    func circles() {
        #expect(descent.count(from: 10) == 1)
        #expect(descent.count(from: 11) == 2)
    }

    @Test("who has ended leads on, as long as it is known who created it; without that a goroutine is a stray")
    func ended() {
        var descent = descent
        descent.add(20, parent: 19)
        #expect(descent.strays == [2: 1, 9: 7, 20: 19])
        descent.addEnded(19, parent: 5)
        #expect(descent.count(from: 2) == 5 && descent.count(from: 19) == 1)
        #expect(descent.strays == [2: 1, 9: 7])
    }

    @Test("what may be of a root makes its number unknown; what was there before the root cannot be")
    func doubt() {
        var remains = GoRemains()
        var before = GoDescent()
        before.add(5, parent: 0)
        before.add(9, parent: 7)
        remains.look(at: before)
        var now = before
        now.add(30, parent: 5)
        now.doubtful = [9]
        #expect(remains.counts(of: [30, 5], in: now) == [30: 1], "5 may have created the creator of 9")
        now.add(31, parent: 29)
        now.doubtful = [9, 31]
        #expect(remains.counts(of: [30], in: now) == [:], "30 may have created 29")
        now.add(40, parent: 5)
        #expect(remains.counts(of: [40], in: now) == [40: 1], "31 was there before 40")
        now.doubtful = []
        #expect(remains.counts(of: [5], in: now) == [5: 3])
    }
}
