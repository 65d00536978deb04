// SPDX-License-Identifier: MIT

/// The Mann-Kendall test: whether a series has a trend, without asking of which shape.
public struct Trend: Sendable, Equatable {
    /// Pairs that rise minus pairs that fall.
    public let score: Double
    /// Kendall's tau-b of the series against time, -1...1.
    public let tau: Double
    /// How likely so strong a trend is by chance, both sides: normal approximation, corrected for ties and continuity.
    public let probability: Double

    /// Of a series in the order of time; nil for fewer than three values, or where they are all the same.
    public init?(_ series: [Double]) {
        let n = Double(series.count)
        guard series.count >= 3 else { return nil }
        var score = 0
        for (place, value) in series.enumerated() {
            for later in series[(place + 1)...] { score += later > value ? 1 : later < value ? -1 : 0 }
        }
        let ranks = Ranks(series)
        let variance = (n * (n - 1) * (2 * n + 5) - ranks.kendallTies) / 18
        let pairs = n * (n - 1) / 2
        let tied = ranks.ties.reduce(0) { $0 + Double($1 * ($1 - 1)) / 2 }
        guard variance > 0, pairs > tied else { return nil }
        self.score = Double(score)
        tau = Double(score) / (pairs * (pairs - tied)).squareRoot()
        let z = Double(score - score.signum()) / variance.squareRoot()
        probability = Tail.normal(z)
    }
}
