// SPDX-License-Identifier: MIT

/// The bucket scheme of every distribution: log-linear, eight buckets an octave, so a value is at most 1/8 above the
/// lower edge of its bucket. Values below 8 have a bucket of their own. The same function may run in the kernel: it is
/// made of shifts only.
public enum LogLinear {
    /// Buckets in all: values from 0 to 2^42 - 1 ns (73 minutes); above that the last bucket.
    public static let buckets = 8 * 40

    /// The bucket of `value`; negative values count as 0.
    @inlinable
    public static func bucket(of value: Int64) -> Int {
        guard value >= 8 else { return value < 0 ? 0 : Int(value) }
        let octave = 63 - value.leadingZeroBitCount
        let index = (octave - 2) << 3 + Int((value >> Int64(octave - 3)) & 7)
        return index < buckets ? index : buckets - 1
    }

    /// The lowest value of a bucket.
    @inlinable
    public static func lowerEdge(of bucket: Int) -> Int64 {
        guard bucket >= 8 else { return Int64(bucket) }
        let octave = bucket >> 3 + 2
        return (8 + Int64(bucket & 7)) << Int64(octave - 3)
    }

    /// The middle of a bucket: what stands for its values. At most 1/16 away from each of them.
    @inlinable
    public static func middle(of bucket: Int) -> Int64 {
        (lowerEdge(of: bucket) + lowerEdge(of: bucket + 1)) / 2
    }
}

/// A distribution of durations in nanoseconds: exact count, sum and maximum; quantiles from buckets.
///
/// As long as all values are the same there are no buckets; they are allocated with the first that differs, once.
public struct Distribution: Sendable {
    /// How many values.
    public internal(set) var count: Int64 = 0
    /// Their sum, ns.
    public internal(set) var sum: Int64 = 0
    /// The largest, ns.
    public internal(set) var max: Int64 = 0
    private var buckets: [UInt32] = []

    /// An empty distribution.
    public init() {}

    /// Adds `value` ns, `times` times.
    public mutating func add(_ value: Int64, times: Int64 = 1) {
        if !buckets.isEmpty {
            buckets[LogLinear.bucket(of: value)] &+= UInt32(truncatingIfNeeded: times)
        } else if count > 0, value != max {
            buckets = [UInt32](repeating: 0, count: LogLinear.buckets)
            buckets[LogLinear.bucket(of: max)] = UInt32(truncatingIfNeeded: count)
            buckets[LogLinear.bucket(of: value)] &+= UInt32(truncatingIfNeeded: times)
        }
        max = count > 0 ? Swift.max(max, value) : value
        count += times
        sum += value * times
    }

    /// Adds all values of another.
    public mutating func merge(_ other: Distribution) {
        guard other.count > 0 else { return }
        if other.buckets.isEmpty { return add(other.max, times: other.count) }
        if buckets.isEmpty {
            var merged = other
            if count > 0 { merged.add(max, times: count) }
            self = merged
            return
        }
        for index in buckets.indices { buckets[index] &+= other.buckets[index] }
        count += other.count
        sum += other.sum
        if other.max > max { max = other.max }
    }

    /// Mean in ns; nil without values.
    public var mean: Int64? { count > 0 ? sum / count : nil }

    /// The value below which the share `q` of the values lies (0...1), to the width of a bucket; nil without values.
    public func quantile(_ q: Double) -> Int64? {
        guard count > 0 else { return nil }
        guard !buckets.isEmpty else { return max }
        let rank = Int64((q * Double(count)).rounded(.up))
        var seen: Int64 = 0
        for (bucket, n) in buckets.enumerated() where n > 0 {
            seen += Int64(n)
            if seen >= rank { return Swift.min(LogLinear.middle(of: bucket), max) }
        }
        return max
    }

    /// The 99th percentile, which means something only from 100 values on; nil below.
    public var p99: Int64? { count >= 100 ? quantile(0.99) : nil }
}
