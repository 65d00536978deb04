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
        #expect(history.range(from: 100, to: 139).max == 5)
        #expect(history.range(from: 100, to: 999).max == 9)
        #expect(history.range(from: 160, to: 170).max == 2)
        #expect(history.range(from: 50, to: 170).max == nil)
        #expect(history.newest == 160)
        #expect(history.range(from: 120, to: 145) == (5, 9, 9))
        #expect(history.range(from: 50, to: 145) == (nil, 9, nil))
        #expect(history.range(from: 141, to: 142) == (9, 9, 9))
        #expect(history.range(from: 10, to: 20) == (nil, nil, nil))
    }

    @Test("a count is known for as long as readings are apart, and five seconds at least")
    func freshness() {
        let second: Int64 = 1_000_000_000
        var history = TaskHistory()
        history.add(7, at: 100 * second)
        #expect(history.open(at: 105 * second) == 7)
        #expect(history.open(at: 106 * second) == nil)
        // Readings that are dear: one in twenty seconds.
        history.add(7, at: 120 * second)
        #expect(history.open(at: 160 * second) == 7)
        #expect(history.open(at: 161 * second) == nil)
        #expect(history.open(at: .max) == nil)
        #expect(history.range(from: 150 * second, to: 155 * second) == (7, 7, 7))
        #expect(history.range(from: 159 * second, to: 162 * second) == (7, nil, 7))
        // What was long before is no largest.
        #expect(history.range(from: 162 * second, to: 163 * second) == (nil, nil, nil))
    }

    @Test("nothing is known of a time in which nobody read")
    func gap() {
        let second: Int64 = 1_000_000_000
        var history = TaskHistory()
        for at in 100...110 { history.add(7, at: Int64(at) * second) }
        for at in 3000...3010 { history.add(400, at: Int64(at) * second) }
        #expect(history.range(from: 2000 * second, to: 3005 * second) == (nil, 400, 400))
        #expect(history.range(from: 105 * second, to: 112 * second) == (7, 7, 7))
        #expect(history.open(at: 116 * second) == nil)
    }

    @Test("memory is bounded, and what was forgotten is not known")
    func bounds() {
        var history = TaskHistory()
        for time in 0..<100_000 { history.add(time, at: Int64(time)) }
        #expect(history.open(at: 10) == nil)
        #expect(history.open(at: 99_990) == 99_990)
        #expect(history.range(from: 99_000, to: 99_999).max == 99_999)
    }
}
