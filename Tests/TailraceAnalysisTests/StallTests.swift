// SPDX-License-Identifier: MIT
import FoundationEssentials
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

struct StallTests {
    private struct Kernel: Decodable {
        let rows: [[Double]]
    }

    /// What Linux itself made of its stalls. The file was made by reading /proc/pressure/cpu, so its times are good to 20 ms, a
    /// percent of a period.
    @Test("averages are those of the kernel's own pressure stall information")
    func averaging() throws {
        let path = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined()
        let data = try Data(contentsOf: URL(filePath: path + "/Fixtures/kernel_pressure.json"))
        let rows = try JSONDecoder().decode(Kernel.self, from: data).rows
        #expect(rows.count > 60)
        let begin: Int64 = 5_000_000_000
        var averaging = StallAveraging(begin: begin, percent: Array(rows[0].prefix(3)))
        for (place, row) in rows.enumerated().dropFirst() {
            let held = Int64(row[3] - rows[place - 1][3]) * 1000
            averaging.add(held, now: begin + Int64(place) * 2_004_000_000)
            let ours = averaging.values
            #expect(abs(ours.avg10 - row[0]) < 0.7, "\(place): \(ours) \(row)")
            #expect(abs(ours.avg60 - row[1]) < 0.2, "\(place): \(ours) \(row)")
            #expect(abs(ours.avg300 - row[2]) < 0.1, "\(place): \(ours) \(row)")
        }
        #expect(averaging.total == Int64((rows.last?[3] ?? 0) - rows[0][3]) * 1000)
    }

    @Test("periods without a look count as quiet ones, and a stall is never more than its period")
    func missedPeriods() {
        var averaging = StallAveraging(begin: 0)
        averaging.add(2_000_000_000, now: 2_000_000_000)
        let first = averaging.values.avg10
        #expect(first > 18 && first < 18.3)
        averaging.add(0, now: 22_000_000_000)
        #expect(averaging.values.avg10 < first / 6)
        averaging.add(90_000_000_000, now: 24_000_000_000)
        #expect(averaging.values.avg10 < 25 && averaging.values.total == 92_000_000_000)
    }

    /// Random responses and holds, against a count at every millisecond; told in any order within two seconds.
    @Test("some and full are what counting every millisecond gives", arguments: [1, 2, 3, 4, 5])
    func grid(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var grid = StallGrid(begin: 0)
        let millisecond: Int64 = 1_000_000
        var responses: [(Int64, Int64)] = []
        var holds: [(Int64, Int64)] = []
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let begin = Int64.random(in: 0..<1800 * millisecond, using: &random)
            let end = begin + Int64.random(in: 0..<900 * millisecond, using: &random)
            responses.append((begin, end))
            let from = Int64.random(in: begin...end, using: &random)
            holds.append((from, Int64.random(in: from...end, using: &random)))
        }
        for response in responses.shuffled(using: &random) { grid.addInFlight(from: response.0, to: response.1) }
        for hold in holds.shuffled(using: &random) {
            grid.add(Hold(connection: 1, pid: 1, begin: hold.0, end: hold.1, cause: .peerWindow))
        }
        let sums = grid.settle(to: 1000 * millisecond) + grid.settle(to: 3000 * millisecond)
        var (some, full): (Int64, Int64) = (0, 0)
        for point in stride(from: 0, to: 3000 * millisecond, by: Int(millisecond)) {
            let covers = { (range: (Int64, Int64)) in range.0 <= point && point < range.1 }
            let held = holds.count(where: covers)
            if held > 0 { some += millisecond }
            if held > 0, held == responses.count(where: covers) { full += millisecond }
        }
        #expect(sums[0].some + sums[5].some == some)
        #expect(sums[0].full + sums[5].full == full)
        #expect(sums[1].some + sums[6].some == some && sums[2].some + sums[3].some + sums[4].some == 0)
    }

    @Test("a response that is held for long is some and full pressure, by its cause, and none when it is let go")
    func watched() {
        let second: Int64 = 1_000_000_000
        var watch = StallWatch(begin: 0)
        for at in 1...20 {
            let now = Int64(at) * second
            watch.add(Hold(connection: 1, pid: 1, begin: now - second, end: now, cause: .qdisc))
            watch.add(open: 0, at: now)
            watch.add(open: now - second / 2, at: now)
            watch.finishLook(at: now)
        }
        let pressure = watch.pressure
        #expect(pressure.all.some.avg10 > 80 && pressure.all.some.avg10 > pressure.all.some.avg60)
        #expect(pressure.all.some.total == 19 * second && pressure.all.full.total == 19 * second / 2)
        #expect(pressure[.qdisc] == pressure.all && pressure[.peerWindow].some.total == 0)
        for at in 21...60 {
            watch.add(open: 0, at: Int64(at) * second)
            watch.finishLook(at: Int64(at) * second)
        }
        #expect(watch.pressure.all.some.avg10 < 2 && watch.pressure.all.some.total == 20 * second)
    }

    /// A daemon that may take no more looks every other second.
    @Test("looks that are further apart tell the same pressure", arguments: [1, 2, 3])
    func apart(seconds: Int64) {
        let second: Int64 = 1_000_000_000
        var watch = StallWatch(begin: 0)
        for at in stride(from: seconds, through: 600, by: Int(seconds)) {
            // Each a little late.
            let now = at * second + at * 3_000_000
            let last = now - seconds * second - seconds * 3_000_000
            watch.add(open: 0, at: now)
            watch.add(Hold(connection: 1, pid: 1, begin: last, end: now, cause: .peerWindow))
            watch.finishLook(at: now)
        }
        let pressure = watch.pressure
        #expect(pressure.all.some.avg10 > 98 && pressure.all.full.avg60 > 97)
        #expect(pressure.all.some.total == 599 * second + 1_800_000_000)
    }
}
