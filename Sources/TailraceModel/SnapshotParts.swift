// SPDX-License-Identifier: MIT

/// Where the time of the last minute went.
public struct StageTable: Codable, Sendable {
    /// Responses, or flushes.
    public var count: Int64 = 0
    /// The whole way.
    public var total = Distribution()
    /// In the order of `Stage.allCases`; stages that nobody knows are left out.
    public var rows: [StageRow] = []
    /// How many the slowest 1 % are; 0: none.
    public var slowCount = 0
    /// The shortest of the slowest 1 %, ns.
    public var slowFrom: Int64 = 0
    /// How much of the time that the slowest 1 % spent in `network` is beyond the round trip, 0...1; nil: not known.
    public var slowAckDelay: Double?
    /// What held the bytes of the slowest 1 %.
    public var slowCauses = CauseTimes()

    /// Nothing.
    public init() {}

    /// The stage that the slowest spend most time in; nil: there are none.
    public var worst: StageRow? {
        slowCount > 0 ? rows.max { ($0.slowShare, $1.stage.index) < ($1.slowShare, $0.stage.index) } : nil
    }
}

/// One stage in the last minute.
public struct StageRow: Codable, Sendable {
    /// Which one.
    public var stage: Stage
    /// Its times.
    public var times: Distribution
    /// Mean share in the slowest 1 %, 0...1.
    public var slowShare = 0.0
    /// Mean time a second, ns, oldest first; nil: nothing in that second.
    public var recent: [Double?] = []
    /// Rank correlation with open tasks, -1...1; nil: too little is known.
    public var rho: Double?
    /// How likely that is by chance.
    public var probability: Double?

    /// Without a time.
    public init(stage: Stage, times: Distribution = Distribution()) {
        self.stage = stage
        self.times = times
    }

    /// Whether it climbs with open tasks, and not by chance.
    public var isClimbing: Bool { (rho ?? 0) >= 0.6 && (probability ?? 1) < 0.001 }
}

/// One server process.
public struct ServerRow: Codable, Sendable {
    /// Which one.
    public var server: Server
    /// Responses in flight.
    public var inFlight = 0
    /// Connections that are followed.
    public var connections = 0
    /// Writers that wait for room.
    public var blockedWriters = 0
    /// Over its sockets.
    public var unsentBytes: Int64 = 0
    /// Over its sockets, `sk_wmem_queued`.
    public var queuedBytes: Int64 = 0
    /// Its open tasks; nil: nobody tells them.
    public var tasks: TaskCount?
    /// Held by queues.
    public var pressure = ServerPressure()
    /// How its tasks grow; nil: not known yet.
    public var trend: TaskTrend?

    /// Nothing known of it yet.
    public init(server: Server) { self.server = server }
}

/// What the tasks do.
public struct TaskPicture: Codable, Sendable {
    /// Open tasks by who counts them, a value a second, oldest first. `responses` is always there.
    public struct Line: Codable, Sendable {
        /// `go`, `swift`, `uprobe`, `threads`, `responses`.
        public var provider: String
        /// nil: not known.
        public var counts: [Double?]

        /// Both.
        public init(provider: String, counts: [Double?]) {
            self.provider = provider
            self.counts = counts
        }
    }
    /// Tasks that were created at one place and wait for the same.
    public struct Group: Codable, Sendable {
        /// Whose.
        public var pid: Int32
        /// As counted last.
        public var group: TaskGroup
        /// More than when it was counted first, a minute; nil: counted once.
        public var growth: Double?

        /// All of it.
        public init(pid: Int32, group: TaskGroup, growth: Double?) {
            self.pid = pid
            self.group = group
            self.growth = growth
        }
    }
    /// By provider.
    public var lines: [Line] = []
    /// Largest first; empty: nobody took a census.
    public var groups: [Group] = []
    /// When the newest census was taken; nil: none was.
    public var counted: Nanoseconds?

    /// Nothing.
    public init() {}
}

/// All that is known of one response.
public struct ResponseDetail: Codable, Sendable {
    /// Which one.
    public var key: ResponseKey
    /// As it stands, or as it ended; nil: it is not known any more.
    public var response: Response?
    /// Its socket; nil: it was not looked at.
    public var socket: SocketRow?
    /// Its newest flushes, oldest first: a bounded number.
    public var flushes: [Flush] = []
    /// Unsent bytes at the newest looks, oldest first.
    public var unsent: [Double?] = []

    /// Nothing known but which.
    public init(key: ResponseKey) { self.key = key }
}

/// One sentence about everything: each clause is there only when its numbers are beyond a threshold.
public struct Verdict: Codable, Sendable, Equatable {
    /// A part of the sentence.
    public struct Clause: Codable, Sendable, Equatable {
        /// Of what it is.
        public enum Subject: Codable, Sendable, Equatable {
            case data, latency, stage(Stage), tasks, holder(Holder), finding, loss, calm
        }
        /// Which.
        public var subject: Subject
        /// Words. May hold untrusted text.
        public var text: String

        /// Both.
        public init(_ subject: Subject, _ text: String) {
            self.subject = subject
            self.text = text
        }
    }
    /// How bad; nil: nothing is wrong.
    public var severity: Severity?
    /// In order.
    public var clauses: [Clause] = []

    /// Nothing said.
    public init() {}

    /// The sentence.
    public var sentence: String { clauses.map(\.text).joined(separator: " ") }
}
