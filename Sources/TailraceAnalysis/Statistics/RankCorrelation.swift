// SPDX-License-Identifier: MIT

/// Spearman's rank correlation: whether one quantity climbs with another, whatever the shape of the curve.
public struct RankCorrelation: Sendable, Equatable {
    /// -1...1.
    public let rho: Double
    /// How likely so strong a correlation is by chance, both sides: Student's t with n - 2 degrees of freedom.
    public let probability: Double
    /// Pairs.
    public let count: Int

    /// Of pairs; nil for fewer than three, or where one of the two does not vary. What is beyond the shorter one is not used.
    public init?(_ x: [Double], _ y: [Double]) {
        count = min(x.count, y.count)
        guard count >= 3 else { return nil }
        let left = Ranks(Array(x.prefix(count))).values
        let right = Ranks(Array(y.prefix(count))).values
        let mean = Double(count + 1) / 2
        var (product, leftSquares, rightSquares) = (0.0, 0.0, 0.0)
        for (a, b) in zip(left, right) {
            product += (a - mean) * (b - mean)
            leftSquares += (a - mean) * (a - mean)
            rightSquares += (b - mean) * (b - mean)
        }
        guard leftSquares > 0, rightSquares > 0 else { return nil }
        rho = max(-1, min(product / (leftSquares * rightSquares).squareRoot(), 1))
        let freedom = Double(count - 2)
        let t = rho * (freedom / ((1 + rho) * (1 - rho))).squareRoot()
        probability = Tail.student(t, freedom: freedom)
    }
}
