// SPDX-License-Identifier: MIT

/// Everything that is counted and measured, at one moment. Values only: the outputs write them.
public struct MetricSet: Sendable {
    /// When, ns since 1970.
    public var wall: Int64
    /// In the order of `Metric.all`; none is without series.
    public var families: [MetricFamily] = []

    /// Empty.
    public init(wall: Int64) { self.wall = wall }

    /// All series of one metric; none if there are none.
    public subscript(metric: Metric) -> [MetricSeries] { families.first { $0.metric == metric }?.series ?? [] }
}

/// All series of one metric.
public struct MetricFamily: Sendable {
    /// Which.
    public var metric: Metric
    /// No two have the same labels.
    public var series: [MetricSeries]

    /// Both.
    public init(_ metric: Metric, _ series: [MetricSeries]) {
        self.metric = metric
        self.series = series
    }
}

/// One metric of one thing.
public struct MetricSeries: Sendable {
    /// In the same order in all series of a family.
    public var labels: [MetricLabel]
    /// What it is now.
    public var point: MetricPoint
    /// Since when it is counted, ns since 1970; a gauge has none.
    public var since: Int64

    /// All of it.
    public init(_ labels: [MetricLabel], _ point: MetricPoint, since: Int64 = 0) {
        self.labels = labels
        self.point = point
        self.since = since
    }
}

/// What tells one series from another.
public struct MetricLabel: Sendable, Equatable {
    /// Of a fixed set.
    public enum Key: String, Sendable, CaseIterable {
        /// The kernel's name of a server. Untrusted.
        case comm
        /// The last name in the path of its cgroup, or the container's. Untrusted.
        case cgroup
        /// That it listens on.
        case port
        /// `accept` ... `network`.
        case stage
        /// `true`, `false`.
        case streaming
        /// `sent` (by the server), `acked` (by the peer).
        case mark
        case endedBy = "ended_by"
        /// `1xx` ... `5xx`, `none`.
        case status
        /// `go`, `swift`, `uprobe`, `threads`, `responses`.
        case provider
        /// `some`, `full`.
        case kind
        /// `peer_window`, `congestion_window`, `qdisc`, `other`.
        case cause
        case anomaly
        case severity
        /// Why something is not in a distribution, or did not arrive.
        case reason
        /// Of a kernel program.
        case probe
        case version
        case kernel
        case backend
        /// Of what the daemon still does.
        case level
        /// `queued`, `pinned`: of what is kept.
        case state
    }

    /// Which.
    public var key: Key
    /// Untrusted where its key is.
    public var value: String

    /// Both.
    public init(_ key: Key, _ value: String) {
        self.key = key
        self.value = value
    }
}

/// A number with its unit, as exact as it was counted.
public enum MetricNumber: Sendable, Equatable {
    case integer(Int64)
    /// ns; told in seconds, with all their digits.
    case nanoseconds(Int64)
    case real(Double)

    /// In base units.
    public var value: Double {
        switch self {
        case .integer(let value): Double(value)
        case .nanoseconds(let value): Double(value) / 1e9
        case .real(let value): value
        }
    }
}

/// What a series is at one moment.
public enum MetricPoint: Sendable {
    /// Never falls.
    case counter(MetricNumber)
    case gauge(MetricNumber)
    case histogram(HistogramPoint)
    /// Its labels say all.
    case info
}

/// A distribution of durations, in buckets with fixed bounds.
public struct HistogramPoint: Sendable {
    /// Values in each bucket alone, `MetricBounds.nanoseconds.count + 1` of them: the last is beyond all bounds.
    public var counts: [Int64]
    /// Of all values, ns.
    public var sum: Int64
    /// At most one a bucket, in their order.
    public var exemplars: [Exemplar]

    /// All of it.
    public init(counts: [Int64], sum: Int64, exemplars: [Exemplar] = []) {
        self.counts = counts
        self.sum = sum
        self.exemplars = exemplars
    }

    /// How many values.
    public var count: Int64 { counts.reduce(0, &+) }
}

/// The newest response in a bucket: the way from a picture of many to one of them.
public struct Exemplar: Sendable, Equatable {
    /// Which bucket.
    public var bucket: Int
    /// Its id.
    public var response: String
    /// ns; within the bucket.
    public var value: Int64
    /// When it was measured, ns since 1970.
    public var wall: Int64

    /// All of it.
    public init(bucket: Int, response: String, value: Int64, wall: Int64) {
        self.bucket = bucket
        self.response = response
        self.value = value
        self.wall = wall
    }
}

/// The buckets of every histogram of durations.
///
/// Decimal bounds (1, 2.5, 5), because people write them into queries and objectives, and OpenTelemetry's HTTP histograms have
/// them between 5 ms and 10 s; below, down to 100 us, because flushes on a local network take that long; above, up to an hour,
/// because streams do. No octave has two of them, so one look-up finds a bucket.
public enum MetricBounds {
    /// The largest value of each bucket but the last, ns, ascending.
    public static let nanoseconds: [Int64] = [
        100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000,
        250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000,
        60_000_000_000, 300_000_000_000, 900_000_000_000, 3_600_000_000_000,
    ]
    /// With the one beyond all bounds.
    @inlinable
    public static var buckets: Int { 22 }

    /// By the highest bit of a value: how many bounds are below all values with that bit, and the bound among them.
    public struct Octave: Sendable {
        @usableFromInline let first: Int
        @usableFromInline let bound: Int64
    }

    /// One for each bit of an Int64. Whoever looks up often holds on to it: it is never changed and never freed.
    public nonisolated(unsafe) static let octaves: UnsafePointer<Octave> = {
        let octaves = UnsafeMutablePointer<Octave>.allocate(capacity: 64)
        for bit in 0..<64 {
            let low = bit < 63 ? Int64(1) << Int64(bit) : .max
            let octave = Octave(
                first: nanoseconds.count { $0 < low },
                bound: nanoseconds.first { $0 >= low && $0 - low < low } ?? .max)
            (octaves + bit).initialize(to: octave)
        }
        return UnsafePointer(octaves)
    }()

    /// The bucket that a value belongs into: the first whose bound is not below it.
    @inlinable
    public static func bucket(of value: Int64, _ octaves: UnsafePointer<Octave> = octaves) -> Int {
        guard value > 0 else { return 0 }
        let octave = octaves[63 - value.leadingZeroBitCount]
        return value > octave.bound ? octave.first + 1 : octave.first
    }
}
