// SPDX-License-Identifier: MIT
import Testing

@testable import TailraceAnalysis

@Suite("counts over time")
struct TaskHistoryTests {
    @Test("the count at a moment is the newest that was read by then")
    func moments() {
        var history = TaskHistory()
        #expect(history.open(at: 100) == nil)
        for (time, open) in [(100, 5), (120, 5), (140, 9), (160, 2)] { history.add(open, at: Int64(time)) }
        #expect([99, 100, 139, 140, 159, 160, 999].map { history.open(at: $0) } == [nil, 5, 5, 9, 9, 2, 2])
        #expect(history.largest(from: 100, to: 139) == 5)
        #expect(history.largest(from: 100, to: 999) == 9)
        #expect(history.largest(from: 160, to: 170) == 2)
        #expect(history.largest(from: 50, to: 170) == nil)
        #expect(history.newest == 160)
    }

    @Test("memory is bounded, and what was forgotten is not known")
    func bounds() {
        var history = TaskHistory()
        for time in 0..<100_000 { history.add(time, at: Int64(time)) }
        #expect(history.open(at: 10) == nil)
        #expect(history.open(at: 99_990) == 99_990)
        #expect(history.largest(from: 99_000, to: 99_999) == 99_999)
    }
}
