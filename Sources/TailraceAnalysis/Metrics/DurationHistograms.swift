// SPDX-License-Identifier: MIT
import TailraceModel

/// Some histograms of durations in one piece of memory, which is there from the beginning: adding allocates nothing.
///
/// They count in the buckets that are exposed. The log-linear buckets of `Distribution` have binary edges, which cannot be
/// folded into decimal ones exactly.
struct DurationHistograms {
    /// A response in a bucket.
    struct Mark {
        var cookie: UInt64 = 0
        var number = 0
        var value: Int64 = -1
        var at: Nanoseconds = 0
    }
    /// Of each: the sum, then the buckets.
    private var cells: ContiguousArray<Int64>
    private var marks: ContiguousArray<Mark>
    private static let stride = MetricBounds.buckets + 1

    init(count: Int) {
        cells = ContiguousArray(repeating: 0, count: count * Self.stride)
        marks = ContiguousArray(repeating: Mark(), count: count * MetricBounds.buckets)
    }

    /// Adds `value` ns, seen `at` in a response. In the lowest bucket is nothing to look at: it keeps none.
    @inline(__always)
    mutating func add(
        _ value: Int64, to histogram: Int, cookie: UInt64, number: Int, at: Nanoseconds, times: Int64 = 1
    ) {
        let bucket = MetricBounds.bucket(of: value)
        let first = histogram * Self.stride
        cells[first] = cells[first].sum(with: times == 1 ? value : value.product(with: times))
        cells[first + 1 + bucket] &+= times
        guard bucket > 0 else { return }
        marks[histogram * MetricBounds.buckets + bucket] = Mark(cookie: cookie, number: number, value: value, at: at)
    }

    /// How many values.
    func count(of histogram: Int) -> Int64 {
        let first = histogram * Self.stride + 1
        return cells[first..<first + MetricBounds.buckets].reduce(0, &+)
    }

    /// As it is now.
    func point(of histogram: Int, anchor: ClockAnchor) -> HistogramPoint {
        let first = histogram * Self.stride
        var point = HistogramPoint(
            counts: Array(cells[first + 1..<first + Self.stride]), sum: cells[first])
        for bucket in 0..<MetricBounds.buckets {
            let mark = marks[histogram * MetricBounds.buckets + bucket]
            guard mark.value >= 0 else { continue }
            let id = Response.id(cookie: mark.cookie, number: mark.number)
            point.exemplars.append(
                Exemplar(bucket: bucket, response: id, value: mark.value, wall: anchor.wall(at: mark.at)))
        }
        return point
    }
}
