// SPDX-License-Identifier: MIT

/// The bucket scheme of every distribution: log-linear, eight buckets an octave, so a value is at most 1/8 above the
/// lower edge of its bucket. Values below 8 have a bucket of their own. The same function may run in the kernel: it is
/// made of shifts only.
public enum LogLinear {
    /// Buckets in all: values from 0 to 2^52 - 1 ns (52 days); above that the last bucket.
    public static let buckets = 8 * 50

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
/// As long as all values are the same there are no buckets. Then only those between the smallest and the largest value are
/// held, with a margin: most distributions span a few octaves. At most 1.6 KB.
public struct Distribution: Sendable {
    /// How many values.
    public private(set) var count: Int64 = 0
    /// Their sum, ns.
    public private(set) var sum: Int64 = 0
    /// The largest, ns.
    public private(set) var max: Int64 = 0
    /// The bucket that `counts` begins with.
    private var low = 0
    private var counts: [UInt32] = []

    /// An empty distribution.
    public init() {}

    /// Adds `value` ns, `times` times.
    public mutating func add(_ value: Int64, times: Int64 = 1) {
        if count == 0 {
            max = value
        } else if !counts.isEmpty {
            bump(LogLinear.bucket(of: value), by: times)
            if value > max { max = value }
        } else if value != max {
            spread(value, times)
        }
        count &+= times
        let (product, isTooMuch) = value.multipliedReportingOverflow(by: times)
        addToSum(isTooMuch ? Self.mostSum : product)
    }

    /// Larger than any value; a forged recording can have more.
    private static let mostSum: Int64 = 1 << 62

    private mutating func addToSum(_ amount: Int64) {
        let (total, isTooMuch) = sum.addingReportingOverflow(amount)
        sum = isTooMuch ? Self.mostSum : Swift.min(total, Self.mostSum)
    }

    /// The first value that differs from all before it.
    private mutating func spread(_ value: Int64, _ times: Int64) {
        bump(LogLinear.bucket(of: max), by: count)
        bump(LogLinear.bucket(of: value), by: times)
        if value > max { max = value }
    }

    private mutating func bump(_ bucket: Int, by times: Int64) {
        var index = bucket - low
        if index < 0 || index >= counts.count {
            hold(bucket)
            index = bucket - low
        }
        counts[index] &+= UInt32(truncatingIfNeeded: times)
    }

    /// Buckets beside a new one that get room with it.
    private static let margin = 4

    private mutating func hold(_ bucket: Int) {
        let first = Swift.max(0, Swift.min(counts.isEmpty ? bucket : low, bucket - Self.margin))
        let end = Swift.min(LogLinear.buckets, Swift.max(counts.isEmpty ? 0 : low + counts.count, bucket + Self.margin))
        if counts.isEmpty {
            counts.append(contentsOf: repeatElement(0, count: end - first))
        } else {
            counts.insert(contentsOf: repeatElement(0, count: low - first), at: 0)
            counts.append(contentsOf: repeatElement(0, count: end - first - counts.count))
        }
        low = first
    }

    /// Without values again; memory is kept.
    public mutating func reset() {
        count = 0
        sum = 0
        max = 0
        if !counts.isEmpty { counts.removeAll(keepingCapacity: true) }
    }

    /// Counted elsewhere, in all buckets of `LogLinear`.
    public init(count: Int64, sum: Int64, max: Int64, buckets: some Sequence<UInt64>) {
        for (bucket, times) in buckets.enumerated() where times > 0 { bump(bucket, by: Int64(clamping: times)) }
        self.count = count
        self.sum = sum
        self.max = max
    }

    /// Adds all values of another.
    public mutating func merge(_ other: Distribution) {
        guard other.count > 0 else { return }
        if other.counts.isEmpty { return add(other.max, times: other.count) }
        if counts.isEmpty, count > 0 { bump(LogLinear.bucket(of: max), by: count) }
        for (offset, times) in other.counts.enumerated() where times > 0 {
            bump(other.low + offset, by: Int64(times))
        }
        max = count > 0 ? Swift.max(max, other.max) : other.max
        count &+= other.count
        addToSum(other.sum)
    }

    /// Mean in ns; nil without values.
    public var mean: Int64? { count > 0 ? sum / count : nil }

    /// The value below which the share `q` of the values lies (0...1), to the width of a bucket; nil without values.
    public func quantile(_ q: Double) -> Int64? {
        guard count > 0 else { return nil }
        guard !counts.isEmpty else { return max }
        let rank = Int64((q * Double(count)).rounded(.up))
        var seen: Int64 = 0
        for (offset, n) in counts.enumerated() where n > 0 {
            seen += Int64(n)
            if seen >= rank { return Swift.min(LogLinear.middle(of: low + offset), max) }
        }
        return max
    }

    /// Sum of the values that are at least `limit`, to the width of their buckets, ns.
    public func sum(from limit: Int64) -> Int64 {
        guard !counts.isEmpty else { return count > 0 && max >= limit ? sum : 0 }
        var total: Int64 = 0
        for (offset, times) in counts.enumerated() where times > 0 {
            let value = Swift.min(LogLinear.middle(of: low + offset), max)
            if value >= limit { total = total.sum(with: Int64(times).product(with: value)) }
        }
        return Swift.min(total, sum)
    }

    /// Calls with each bucket that holds values, ascending, and how many they are.
    public func forEachBucket(_ body: (_ bucket: Int, _ values: Int64) -> Void) {
        if counts.isEmpty, count > 0 { return body(LogLinear.bucket(of: max), count) }
        for (offset, times) in counts.enumerated() where times > 0 { body(low + offset, Int64(times)) }
    }

    /// The median, ns; nil without values.
    public var p50: Int64? { quantile(0.5) }

    /// The 90th percentile, which means something only from 10 values on; nil below.
    public var p90: Int64? { count >= 10 ? quantile(0.9) : nil }

    /// The 99th percentile, which means something only from 100 values on; nil below.
    public var p99: Int64? { count >= 100 ? quantile(0.99) : nil }
}

extension Distribution: Codable {
    private enum CodingKeys: String, CodingKey { case count, sum, max, low, counts }

    /// Refuses what no distribution is.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        count = try fields.decode(Int64.self, forKey: .count)
        sum = try fields.decode(Int64.self, forKey: .sum)
        max = try fields.decode(Int64.self, forKey: .max)
        low = try fields.decode(Int.self, forKey: .low)
        counts = try fields.decode([UInt32].self, forKey: .counts)
        guard count >= 0, max >= 0, (0...LogLinear.buckets).contains(low), counts.count <= LogLinear.buckets - low
        else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "buckets out of range"))
        }
    }
}
