// SPDX-License-Identifier: MIT
import TailraceModel

/// Some histograms of durations in one piece of memory, which is there from the beginning: adding allocates nothing.
///
/// They count in the buckets that are exposed. The log-linear buckets of `Distribution` have binary edges, which cannot be
/// folded into decimal ones exactly. A class, so that adding checks neither bounds nor owners: it is done twenty times a response.
final class DurationHistograms {
    /// A response in a bucket.
    struct Mark {
        var cookie: UInt64 = 0
        var number = 0
        var value: Int64 = -1
        var at: Nanoseconds = 0
    }
    /// Of each: the sum, then the buckets.
    private let cells: UnsafeMutablePointer<Int64>
    private let marks: UnsafeMutablePointer<Mark>
    private let octaves = MetricBounds.octaves
    private let count: Int
    private static let stride = MetricBounds.buckets + 1

    init(count: Int) {
        self.count = count
        cells = .allocate(capacity: count * Self.stride)
        cells.initialize(repeating: 0, count: count * Self.stride)
        marks = .allocate(capacity: count * MetricBounds.buckets)
        marks.initialize(repeating: Mark(), count: count * MetricBounds.buckets)
    }

    deinit {
        cells.deallocate()
        marks.deallocate()
    }

    /// Adds `value` ns, seen `at` in a response. In the lowest bucket is nothing to look at: it keeps none.
    @inline(__always)
    func add(
        _ value: Int64, to histogram: Int, cookie: UInt64, number: Int, at: Nanoseconds, times: Int64 = 1
    ) {
        precondition(histogram < count)
        let bucket = MetricBounds.bucket(of: value, octaves)
        let cell = cells + histogram &* (MetricBounds.buckets + 1)
        cell[0] = cell[0].sum(with: times == 1 ? value : value.product(with: times))
        cell[1 &+ bucket] &+= times
        guard bucket > 0 else { return }
        marks[histogram &* MetricBounds.buckets &+ bucket] = Mark(cookie: cookie, number: number, value: value, at: at)
    }

    /// How many values.
    func count(of histogram: Int) -> Int64 {
        let first = cells + (histogram * Self.stride + 1)
        return UnsafeBufferPointer(start: first, count: MetricBounds.buckets).reduce(0, &+)
    }

    /// As it is now.
    func point(of histogram: Int, anchor: ClockAnchor) -> HistogramPoint {
        let cell = cells + histogram * Self.stride
        var point = HistogramPoint(
            counts: Array(UnsafeBufferPointer(start: cell + 1, count: MetricBounds.buckets)), sum: cell[0])
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
