// SPDX-License-Identifier: MIT
import Glibc

/// Where a series changed its habit, by Pettitt's test (1979): it compares ranks before and after, so no distribution is
/// assumed and a few outliers change nothing.
public struct ChangePoint: Sendable, Equatable {
    /// The first value of the new habit.
    public let index: Int
    /// How likely so large a change is by chance: Pettitt's approximation, at most 1.
    public let probability: Double
    /// Median of the segment before.
    public let before: Double
    /// Median of the segment behind.
    public let after: Double

    /// The strongest one of a series; nil for fewer than four values, or where they are all the same.
    public init?(strongestIn series: [Double]) {
        guard series.count >= 4 else { return nil }
        let ranks = Ranks(series).values
        let n = Double(series.count)
        var (sum, largest, place) = (0.0, 0.0, 0)
        for index in 0..<(series.count - 1) {
            sum += ranks[index]
            let distance = abs(2 * sum - Double(index + 1) * (n + 1))
            if distance > largest { (largest, place) = (distance, index + 1) }
        }
        guard place > 0, let before = Ordered.median(Array(series[..<place])),
            let after = Ordered.median(Array(series[place...]))
        else { return nil }
        index = place
        probability = min(1, 2 * exp(-6 * largest * largest / (n * n * n + n * n)))
        self.before = before
        self.after = after
    }

    private init(_ point: ChangePoint, movedBy offset: Int) {
        index = point.index + offset
        probability = point.probability
        before = point.before
        after = point.after
    }

    /// All of them, in the order of time: the strongest one divides the series, and each part is asked again. `level`: the
    /// probability that is still believed. A segment has `shortest` values at least.
    public static func all(in series: [Double], level: Double = 0.01, shortest: Int = 5) -> [ChangePoint] {
        var found: [ChangePoint] = []
        var segments = [0..<series.count]
        while let segment = segments.popLast() {
            guard segment.count >= 2 * shortest, let point = ChangePoint(strongestIn: Array(series[segment])),
                point.probability < level, point.index >= shortest, segment.count - point.index >= shortest
            else { continue }
            let middle = segment.lowerBound + point.index
            found.append(ChangePoint(point, movedBy: segment.lowerBound))
            segments.append(segment.lowerBound..<middle)
            segments.append(middle..<segment.upperBound)
        }
        return found.sorted { $0.index < $1.index }
    }
}
