// SPDX-License-Identifier: MIT
import TailraceModel

/// Responses that ended: how many tasks were open when they began, and how long their stages took. The newest of each range
/// of tasks are kept, so that quiet times are still there when a busy one comes: a bounded number.
public struct ResponsePoints: Sendable {
    /// Stages of which the latency may come from concurrency.
    static let stages: [Stage] = [.accept, .read, .app, .send, .blocked, .queue]
    /// Responses that are kept of a range of tasks; ranges are those of `LogLinear`.
    private static let most = 24
    /// What is older says nothing of the server as it is, ns.
    private static let longest: Int64 = 900_000_000_000

    private struct Point {
        let tasks: Double
        let end: Nanoseconds
        let latencies: InlineArray<6, Double>
    }
    private struct Range {
        var points: [Point] = []
        var next = 0
    }
    /// Who counts the tasks.
    let provider: String
    private var ranges: [Range] = []
    private var newest: Nanoseconds = 0

    /// None. `provider`: who counts the tasks.
    public init(provider: String) { self.provider = provider }

    /// A response that tells its latency; so many tasks were open when it began.
    mutating func add(_ response: EndedResponse, tasks: Int) {
        newest = max(newest, response.end)
        let place = LogLinear.bucket(of: Int64(tasks))
        while ranges.count <= place { ranges.append(Range()) }
        let timeline = response.timeline
        let point = Point(
            tasks: Double(tasks), end: response.end,
            latencies: InlineArray { Double(timeline[Self.stages[$0]] ?? 0) })
        if ranges[place].points.count < Self.most {
            ranges[place].points.append(point)
        } else {
            ranges[place].points[ranges[place].next] = point
            ranges[place].next = (ranges[place].next + 1) % Self.most
        }
    }

    /// The time up to the last byte's way through the network, by open tasks; nil: too few responses for a curve.
    var curve: CountedCurve? {
        let points = ranges.flatMap(\.points).filter { $0.end >= newest - Self.longest }
        guard points.count >= 20 else { return nil }
        let latency = points.map { point in point.latencies.indices.reduce(0) { $0 + point.latencies[$1] } }
        return CountedCurve(
            line: LatencyCurve(tasks: points.map(\.tasks), latency: latency), responses: points.count,
            provider: provider)
    }

    /// How each stage goes with open tasks; stages that none spent 1 ms in are left out.
    public var correlations: [StageCorrelation] {
        let points = ranges.flatMap(\.points).filter { $0.end >= newest - Self.longest }
        let tasks = points.map(\.tasks)
        return Self.stages.indices.compactMap { place in
            let latency = points.map { $0.latencies[place] }
            guard latency.contains(where: { $0 >= 1e6 }) else { return nil }
            let rank = RankCorrelation(tasks, latency)
            let curve = LatencyCurve(tasks: tasks, latency: latency)
            let knee = (rank?.rho ?? 0) > 0 ? curve.knee : nil
            return StageCorrelation(
                stage: Self.stages[place], provider: provider, rho: rank?.rho, probability: rank?.probability,
                count: points.count, knee: knee?.tasks, base: knee.flatMap { curve.base(upTo: $0) },
                beyond: knee.flatMap { knee in
                    Ordered.median(zip(tasks, latency).filter { $0.0 > knee.tasks }.map(\.1))
                }, curve: curve.points)
        }
    }
}

/// Latency by open tasks, and what is counted as one.
public struct CountedCurve: Sendable {
    /// The curve.
    public let line: LatencyCurve
    /// Responses that it is made of.
    public let responses: Int
    /// Who counts the tasks.
    public let provider: String
    /// Open tasks now, by the same; nil: not known.
    public var now: Int?
}
