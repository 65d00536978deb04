// SPDX-License-Identifier: MIT

/// Everything that the dashboard draws, at one moment. Values only, and a bounded number of them.
public struct Snapshot: Codable, Sendable {
    /// Of the run itself.
    public var facts: RunFacts
    /// When it was made, by the clock of events.
    public var at: Nanoseconds
    /// Which rows were wanted.
    public var request = SnapshotRequest()
    /// One sentence: what is wrong, and whose fault it is.
    public var verdict = Verdict()
    /// Sums over everything.
    public var totals = SnapshotTotals()
    /// A value a second, oldest first.
    public var series = SnapshotSeries()
    /// Of plain responses that ended in the last minute.
    public var responses = StageTable()
    /// Of flushes that were delivered in the last minute.
    public var flushes = StageTable()
    /// Durations of plain responses by time.
    public var responseHeat = HeatMap()
    /// Deliveries of flushes by time.
    public var flushHeat = HeatMap()
    /// Latency by open tasks, of the server of which most is known; nil: too little is.
    public var curve: TaskCurve?
    /// Those that wait most first.
    public var servers: [ServerRow] = []
    /// Open responses, the first of those that were asked for.
    public var open: [ResponseRow] = []
    /// How many were asked for: what the filter lets through.
    public var openCount = 0
    /// The same put together; empty: not asked for.
    public var groups: [GroupRow] = []
    /// The slowest responses that ended in the last minutes, longest first.
    public var ended: [ResponseRow] = []
    /// Connections, the first of those that were asked for.
    public var connections: [SocketRow] = []
    /// How many were asked for: what the filter lets through.
    public var connectionCount = 0
    /// Open tasks.
    public var tasks = TaskPicture()
    /// Open ones, the most severe first, then closed ones, the newest first.
    public var findings: [Finding] = []
    /// All of one response; nil: not asked for.
    public var detail: ResponseDetail?

    /// Of a run of which nothing is known yet.
    public init(facts: RunFacts = RunFacts(), at: Nanoseconds = 0) {
        self.facts = facts
        self.at = at
    }

    /// Plain responses, or flushes where no response ends.
    public var isAboutFlushes: Bool { responses.count == 0 && flushes.count > 0 }
}

/// Sums over everything that is traced.
public struct SnapshotTotals: Codable, Sendable {
    /// Open responses.
    public var open = 0
    /// Of them, by `Stage.index`: where they are now.
    public var stages = [Int](repeating: 0, count: Stage.allCases.count)
    /// Of them, whose bytes are held for longer than a moment, by position in `Holder.allCases`.
    public var held = [Int](repeating: 0, count: Holder.allCases.count)
    /// Unsent bytes of those, by position in `Holder.allCases`.
    public var heldBytes = [Int64](repeating: 0, count: Holder.allCases.count)
    /// The one of those that waits longest, by position in `Holder.allCases`; nil: there is none.
    public var heldLongest = [HeldClient?](repeating: nil, count: Holder.allCases.count)
    /// Connections that are followed.
    public var connections = 0
    /// Writers that wait for room.
    public var blockedWriters = 0
    /// `sk_wmem_queued` over all sockets.
    public var queuedBytes: Int64 = 0
    /// Unsent bytes over all sockets.
    public var unsentBytes: Int64 = 0
    /// Transmitted and not acknowledged, over all sockets.
    public var unackedBytes: Int64 = 0
    /// The longest wait, ns.
    public var wait: Int64 = 0
    /// Connections whose client is gone, and which have a response open.
    public var clientsGone = 0
    /// Open tasks over all servers, by the best provider of each; nil: only responses are known.
    public var tasks: Int?
    /// Ended responses a second, over ten seconds.
    public var endedPerSecond = 0.0
    /// Delivered bytes a second, over ten seconds.
    public var bytesPerSecond = 0.0
    /// Segments sent again a second, over ten seconds.
    public var retransmitsPerSecond = 0.0
    /// Responses that ended since the run began.
    public var ended: Int64 = 0

    /// Nothing.
    public init() {}
}

/// Whose bytes are held, and for how long.
public struct HeldClient: Codable, Sendable, Equatable {
    /// The client.
    public var remote: Endpoint
    /// ns.
    public var wait: Int64

    /// Both.
    public init(remote: Endpoint, wait: Int64) {
        self.remote = remote
        self.wait = wait
    }
}

/// One value a second, oldest first, the newest second last; nil: not known.
public struct SnapshotSeries: Codable, Sendable {
    /// Open responses.
    public var open: [Double?] = []
    /// Open tasks over all servers.
    public var tasks: [Double?] = []
    /// Ended responses.
    public var ended: [Double?] = []
    /// Delivered bytes.
    public var bytes: [Double?] = []
    /// Segments sent again.
    public var retransmits: [Double?] = []
    /// Unsent bytes.
    public var unsent: [Double?] = []
    /// Median latency of the second, ns.
    public var p50: [Double?] = []
    /// 99th percentile over the ten seconds up to then, ns; nil for fewer than 100 values.
    public var p99: [Double?] = []
    /// Largest latency of the second, ns.
    public var most: [Double?] = []

    /// Nothing.
    public init() {}
}

/// Counts of latencies: a column for each second, a row for each half octave.
public struct HeatMap: Codable, Sendable {
    /// Half octaves: `LogLinear` buckets, four at a time.
    public static let rows = LogLinear.buckets / 4
    /// Oldest first; each has `rows` counts, or none where nothing happened.
    public var columns: [[UInt32]] = []

    /// Nothing.
    public init() {}

    /// The shortest latency of a row, ns.
    public static func lowerEdge(of row: Int) -> Int64 { LogLinear.lowerEdge(of: max(0, min(rows, row)) * 4) }

    /// The rows that anything is in; nil: nothing is.
    public var used: ClosedRange<Int>? {
        var (low, high) = (Int.max, -1)
        for column in columns {
            if let first = column.firstIndex(where: { $0 > 0 }) { low = min(low, first) }
            if let last = column.lastIndex(where: { $0 > 0 }) { high = max(high, last) }
        }
        return high >= 0 ? low...high : nil
    }
}

/// How latency goes with open tasks.
public struct TaskCurve: Codable, Sendable {
    /// A range of open tasks.
    public struct Point: Codable, Sendable, Equatable {
        /// Mean number of open tasks when responses of it began.
        public var tasks: Double
        /// Their median latency, ns.
        public var latency: Double

        /// Both.
        public init(tasks: Double, latency: Double) {
            self.tasks = tasks
            self.latency = latency
        }
    }
    /// By tasks, ascending.
    public var points: [Point]
    /// Open tasks from which latency climbs; nil: it does not.
    public var knee: Double?
    /// Responses in it.
    public var count: Int
    /// What is counted as a task: `go`, `swift`, `uprobe`, `threads`; `responses`: those in flight.
    public var provider: String
    /// How many of those are open now; nil: not known.
    public var now: Int?
    /// Whose.
    public var server: Server

    /// All of it.
    public init(points: [Point], knee: Double?, count: Int, provider: String, now: Int?, server: Server) {
        self.points = points
        self.knee = knee
        self.count = count
        self.provider = provider
        self.now = now
        self.server = server
    }
}
