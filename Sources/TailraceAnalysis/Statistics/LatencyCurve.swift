// SPDX-License-Identifier: MIT
import TailraceModel

/// Latency by number of open tasks, and where it leaves its base.
public struct LatencyCurve: Sendable {
    /// Responses that began with about the same number of open tasks.
    public typealias Point = CurvePoint
    /// By tasks, ascending.
    public let points: [Point]

    /// Points of a curve.
    public static let most = 24
    /// Responses in a point.
    private static let fewest = 5

    /// Of responses: how many tasks were open, and a latency (ns). Values with as many tasks share a point.
    public init(tasks: [Double], latency: [Double]) {
        let pairs = zip(tasks, latency).sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        let share = max(Self.fewest, (pairs.count + Self.most - 1) / Self.most)
        var points: [Point] = []
        var first = 0
        while first < pairs.count {
            var end = min(first + share, pairs.count)
            while end < pairs.count, pairs[end].0 == pairs[end - 1].0 { end += 1 }
            if pairs.count - end < Self.fewest { end = pairs.count }
            let part = pairs[first..<end]
            let mean = part.reduce(0) { $0 + $1.0 } / Double(part.count)
            if let middle = Ordered.median(part.map(\.1)) {
                points.append(Point(tasks: mean, latency: middle, count: part.count))
            }
            first = end
        }
        self.points = points
    }

    /// Where the curve begins to climb: Kneedle (Satopaa, Albrecht, Irwin, Raghavan: "Finding a Kneedle in a Haystack",
    /// 2011) for a convex, rising curve, with sensitivity 1; nil: it has no knee. Medians take the place of its smoothing.
    public var knee: Point? { Knee.place(x: points.map(\.tasks), y: points.map(\.latency)).map { points[$0] } }

    /// Median latency of the responses with the fewest tasks up to the knee, ns; nil without points.
    public func base(upTo knee: Point) -> Double? {
        Ordered.median(points.filter { $0.tasks <= knee.tasks }.map(\.latency))
    }
}

/// Kneedle, for a convex, rising curve.
enum Knee {
    /// Position of the knee among the points, which ascend in x; nil: none.
    static func place(x: [Double], y: [Double], sensitivity: Double = 1) -> Int? {
        guard x.count >= 3, let lowX = x.min(), let highX = x.max(), let lowY = y.min(), let highY = y.max(),
            highX > lowX, highY > lowY
        else { return nil }
        // Turned so that the knee is the highest point above the diagonal, as the paper has it.
        let unitX = x.map { ($0 - lowX) / (highX - lowX) }
        let distance = zip(unitX, y).map { $0 - ($1 - lowY) / (highY - lowY) }
        let step = (unitX[unitX.count - 1] - unitX[0]) / Double(unitX.count - 1)
        var candidate: Int?
        var threshold = 0.0
        for place in 1..<(distance.count - 1) {
            if distance[place] >= distance[place - 1], distance[place] > distance[place + 1],
                candidate.map({ distance[place] > distance[$0] }) ?? true
            {
                candidate = place
                threshold = distance[place] - sensitivity * step
            }
            if let candidate, distance[place + 1] < threshold { return candidate }
        }
        return nil
    }
}
