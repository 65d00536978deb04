// SPDX-License-Identifier: MIT

/// What only needs the order of values.
public enum Ordered {
    /// The middle value, or the mean of the two middle ones; nil without values.
    public static func median(_ values: [Double]) -> Double? { medianOfSorted(values.sorted()) }

    /// The same of values that are in order.
    static func medianOfSorted(_ values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let middle = values.count / 2
        return values.count % 2 == 1 ? values[middle] : values[middle - 1] / 2 + values[middle] / 2
    }

    /// The value below which the share `q` (0...1) of the values lies, interpolated between neighbours; nil without values.
    public static func quantile(_ values: [Double], _ q: Double) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let place = max(0, min(q, 1)) * Double(sorted.count - 1)
        let low = Int(place)
        let high = min(low + 1, sorted.count - 1)
        return sorted[low] + (sorted[high] - sorted[low]) * (place - Double(low))
    }
}

/// Ranks from 1; equal values share the mean of theirs.
struct Ranks {
    /// In the order of the values.
    let values: [Double]
    /// How often each value that occurs more than once does.
    let ties: [Int]

    init(_ data: [Double]) {
        let order = data.indices.sorted { data[$0] < data[$1] }
        var ranks = [Double](repeating: 0, count: data.count)
        var ties: [Int] = []
        var first = 0
        while first < order.count {
            var end = first + 1
            while end < order.count, data[order[end]] == data[order[first]] { end += 1 }
            for place in first..<end { ranks[order[place]] = Double(first + end + 1) / 2 }
            if end - first > 1 { ties.append(end - first) }
            first = end
        }
        values = ranks
        self.ties = ties
    }

    /// Sum of t (t-1) (2t+5) over the ties, as the variance of Kendall's S has it.
    var kendallTies: Double { ties.reduce(0) { $0 + Double($1) * Double($1 - 1) * Double(2 * $1 + 5) } }
}
