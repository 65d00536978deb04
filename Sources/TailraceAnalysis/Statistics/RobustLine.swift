// SPDX-License-Identifier: MIT

/// A line through points by Theil and Sen: the median of all slopes between two of them. Nearly a third of the points may be
/// anything.
public struct RobustLine: Sendable, Equatable {
    /// Of y by x.
    public let slope: Double
    /// median(y) - slope * median(x).
    public let intercept: Double
    /// The slope lies in there with 95 % confidence (Sen 1968, corrected for ties).
    public let slopeRange: ClosedRange<Double>

    /// The normal distribution's 97.5th percentile.
    private static let confidence = 1.959963984540054

    /// Through points; nil where no two of them differ in x. Slopes are compared pair by pair: a few hundred points, no more.
    public init?(x: [Double], y: [Double]) {
        let count = min(x.count, y.count)
        var slopes: [Double] = []
        for first in 0..<max(0, count - 1) {
            for second in (first + 1)..<count where x[first] != x[second] {
                slopes.append((y[second] - y[first]) / (x[second] - x[first]))
            }
        }
        slopes.sort()
        guard let slope = Ordered.medianOfSorted(slopes), let middleX = Ordered.median(Array(x.prefix(count))),
            let middleY = Ordered.median(Array(y.prefix(count)))
        else { return nil }
        self.slope = slope
        intercept = middleY - slope * middleX
        slopeRange = Self.range(of: slopes, Ranks(Array(x.prefix(count))), Ranks(Array(y.prefix(count))))
    }

    private static func range(of slopes: [Double], _ x: Ranks, _ y: Ranks) -> ClosedRange<Double> {
        let n = Double(x.values.count)
        let variance = (n * (n - 1) * (2 * n + 5) - x.kendallTies - y.kendallTies) / 18
        let width = confidence * max(0, variance).squareRoot()
        let pairs = Double(slopes.count)
        let high = min(Int(((pairs + width) / 2).rounded(.toNearestOrEven)), slopes.count - 1)
        let low = min(max(Int(((pairs - width) / 2).rounded(.toNearestOrEven)) - 1, 0), high)
        return slopes[low]...slopes[high]
    }
}
