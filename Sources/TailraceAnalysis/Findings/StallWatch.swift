// SPDX-License-Identifier: MIT
import TailraceModel

/// The pressure stall information of one server process, as its responses and holds are told.
struct StallWatch {
    private var grid: StallGrid
    private var some: [StallAveraging]
    private var full: [StallAveraging]
    /// Up to when responses in flight are counted that go on.
    private var looked: Nanoseconds
    /// Up to when all is counted.
    private var settled: Nanoseconds
    /// What was held before a look may be told as late as the next one: by the ACK of what was on its way.
    private static let delay: Int64 = 1_000_000_000

    init(begin: Nanoseconds) {
        grid = StallGrid(begin: begin)
        (looked, settled) = (begin, begin)
        some = [StallAveraging](repeating: StallAveraging(begin: begin), count: WaitCause.allCases.count + 1)
        full = some
    }

    /// A response ended: until the last look it was counted while it was open.
    mutating func add(ended response: EndedResponse) {
        grid.addInFlight(from: max(response.begin, min(looked, response.end)), to: response.end)
    }

    /// A response goes on at a look at `time`.
    mutating func add(open begin: Nanoseconds, at time: Nanoseconds) {
        grid.addInFlight(from: max(begin, looked), to: time)
    }

    mutating func add(_ hold: Hold) { grid.add(hold) }

    /// All connections were looked at, at `time`.
    mutating func finishLook(at time: Nanoseconds) {
        looked = time
        settle(to: time - Self.delay)
    }

    /// The run is over, and nothing more is told.
    mutating func finish() { settle(to: looked) }

    /// In steps of a second, however long no look came: averages are taken every two.
    private mutating func settle(to time: Nanoseconds) {
        var step = max(settled, time - Self.longest)
        repeat {
            step = min(time, step + Self.second)
            for (place, sum) in grid.settle(to: step).enumerated() {
                some[place].add(sum.some, now: step)
                full[place].add(sum.full, now: step)
            }
        } while step < time
        settled = max(settled, time)
    }
    private static let second: Int64 = 1_000_000_000
    /// What is longer ago is not in the grid any more, ns.
    private static let longest: Int64 = 8_000_000_000

    /// As it is now, a second late.
    var pressure: ServerPressure {
        var pressure = ServerPressure()
        (pressure.all.some, pressure.all.full) = (some[0].values, full[0].values)
        for cause in WaitCause.allCases {
            pressure[cause].some = some[cause.index + 1].values
            pressure[cause].full = full[cause.index + 1].values
        }
        return pressure
    }
}
