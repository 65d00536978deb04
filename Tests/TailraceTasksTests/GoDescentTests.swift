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
}
