// SPDX-License-Identifier: MIT
import TailraceModel

/// Open tasks of one server in the order of time, beside what explains them. A fixed number of readings: when they are all
/// used, every second one is let go, so that a leak over hours stays visible.
struct TaskSeries {
    private static let most = 240
    /// Readings that a trend needs.
    private static let fewest = 8

    private struct Point {
        let at: Nanoseconds
        let open: Double
        let inFlight: Double
        let connections: Double
    }
    private var points: [Point] = []
    private var stride = 1
    private var skipped = 0
    private(set) var provider = ""
    private var growing: String?
    private(set) var leftBehind: Int?

    mutating func add(_ sample: ServerSample, connections: Int) {
        growing = sample.growing ?? growing
        leftBehind = sample.leftBehind
        guard let count = sample.tasks.first, let open = count.open else { return }
        if provider != count.provider { (points, stride, skipped, provider) = ([], 1, 0, count.provider) }
        skipped += 1
        guard skipped >= stride else { return }
        skipped = 0
        if points.count == Self.most {
            points = points.indices.filter { $0 % 2 == 0 }.map { points[$0] }
            stride *= 2
        }
        points.append(
            Point(
                at: sample.at, open: Double(open), inFlight: Double(sample.inFlight), connections: Double(connections)))
    }

    /// So few readings that a trend is quickly computed.
    var isShort: Bool { points.count <= 32 }

    /// nil: too few readings.
    var trend: TaskTrend? {
        guard points.count >= Self.fewest, let first = points.first, let last = points.last else { return nil }
        var trend = TaskTrend()
        var rest = points.map(\.open)
        // By connection first: a server that has a task for each keeps it while the connection is idle.
        trend.perConnection = Self.explain(&rest, by: points.map(\.connections))
        trend.perResponse = Self.explain(&rest, by: points.map(\.inFlight))
        let seconds = points.map { Double($0.at - first.at) / 1e9 }
        guard let line = RobustLine(x: seconds, y: rest) else { return nil }
        let quarter = max(3, rest.count / 4)
        trend.unexplained =
            (Ordered.median(Array(rest.suffix(quarter))) ?? 0) - (Ordered.median(Array(rest.prefix(quarter))) ?? 0)
        trend.slope = line.slope
        trend.slopeRange = line.slopeRange
        trend.probability = Trend(rest)?.probability ?? 1
        trend.count = points.count
        trend.span = last.at - first.at
        trend.open = Int(last.open)
        trend.provider = provider
        trend.growing = growing
        return trend
    }

    /// Over how many readings changes are compared: tasks and connections are counted a little after each other, and one that
    /// comes between is in the change of another reading.
    private static let lag = 5
    /// Of chance, below which what explains has a trend.
    private static let trended = 0.01

    /// Takes away what `cause` explains, and says how many tasks one of it is. Changes are compared, not the values: a leak adds
    /// the same to each of them, and so nothing to the slope.
    private static func explain(_ tasks: inout [Double], by cause: [Double]) -> Double? {
        let changes = { (values: [Double]) in zip(values.dropFirst(lag), values).map { $0 - $1 } }
        var slope = RobustLine(x: changes(cause), y: changes(tasks))?.slope
        // As many more each time: whether these or a leak bring the tasks cannot be told, and a ramp of clients is likelier.
        if slope == nil || Trend(cause).map({ $0.score > 0 && $0.probability < trended }) == true,
            let level = RobustLine(x: cause, y: tasks)?.slope
        {
            slope = max(slope ?? level, level)
        }
        guard let slope else { return nil }
        let each = max(0, min(slope, 64))
        for place in tasks.indices { tasks[place] -= each * cause[place] }
        return each
    }
}
