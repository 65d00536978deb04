// SPDX-License-Identifier: MIT

/// What a run told, summed up: one part for each server.
public struct Report: Sendable {
    /// When the run began, ns since 1970.
    public var begin: Int64
    /// Length of the run, ns.
    public var duration: Int64
    /// Most responses first.
    public var servers: [ServerReport] = []
    /// Responses of servers beyond the number that is told one by one.
    public var otherResponses: Int64 = 0
    /// Each as it stood last, the most severe first.
    public var findings: [Finding] = []
    /// Findings beyond those that are told one by one.
    public var otherFindings = 0
    /// By server process: pressure and correlations; nil: nobody looked.
    public var insights: [ServerInsight]?
    /// When the run ended, by the clock of findings.
    public var end: Nanoseconds = 0
    /// From the clock of findings to wall time.
    public var anchor = ClockAnchor(monotonic: 0, wall: 0)
    /// Time inside the kernel's functions, where that was asked for.
    public var functions: [FunctionTime] = []
    /// What the kernel side made and what of it did not arrive.
    public var loss = Loss()
    /// Events of connections that were never announced, because that record was lost.
    public var unattributed: UInt64 = 0

    /// Without servers.
    public init(begin: Int64, duration: Int64) {
        self.begin = begin
        self.duration = duration
    }
}

/// One server: the processes that run the same program in the same cgroup and accept on the same port. So the workers of
/// a server are told as one, and two servers of one interpreter are not.
public struct ServerReport: Sendable {
    /// The kernel's name of it; nil: its process is not known. Untrusted.
    public var comm: String?
    /// Path of its executable; nil where it could not be read. Untrusted.
    public var executable: String?
    /// Path of its cgroup; nil where it is not known. Untrusted.
    public var cgroup: String?
    /// Local port of its connections.
    public var port: UInt16
    /// Process ids, ascending; the first few.
    public var pids: [Int32] = []
    /// How many processes.
    public var processes = 0

    /// Timelines of ended responses: of plain ones, then of streaming ones; kinds without a response are left out.
    public var timelines: [TimelineReport] = []
    /// Responses that had not ended.
    public var open = OpenReport()
    /// Ended responses of which an event was lost: counted, and in no percentile.
    public var excluded: Int64 = 0
    /// Ended responses that were under way when the run began: their begin is not known, so no percentile has them either.
    public var adopted: Int64 = 0
    /// Ended responses of which a part is an estimate: flushes were merged, or an ACK was noticed late.
    public var estimated: Int64 = 0
    /// Largest number of responses in flight in one process.
    public var inFlightMax = 0
    /// Send calls that took bytes.
    public var flushes: Int64 = 0
    /// Read by the server.
    public var requestBytes: Int64 = 0
    /// Handed over by the server, heads included.
    public var responseBytes: Int64 = 0
    /// How the ended ones ended, most frequent first.
    public var endings: [EndingCount] = []
    /// Ended ones by class of status: 2 for 200...299, 0 for none seen; ascending.
    public var statuses: [StatusCount] = []

    /// First flushes and gaps, of plain responses, then of streaming ones; kinds without a flush are left out.
    public var paces: [PaceReport] = []
    /// Ways of the flushes, those of open responses included.
    public var delivery = DeliveryDistributions()
    /// What held the bytes in `blocked` and `queue`, ns; open responses included.
    public var causes = CauseTimes()
    /// Waits in the write queue by queued bytes, ascending; empty where flushes were not told.
    public var queue: [QueueRow] = []

    /// Longest first.
    public var slowest: [ToldResponse] = []
    /// Those that held bytes longest first; only those that held any.
    public var peers: [PeerReport] = []
    /// Peers that are not told one by one, as one; nil: none.
    public var otherPeers: PeerReport?
    /// Most responses first.
    public var targets: [TargetReport] = []
    /// Targets that are not told one by one, as one; nil: none.
    public var otherTargets: TargetReport?

    /// Nothing known of it but its port.
    public init(port: UInt16) { self.port = port }

    /// Ended responses.
    public var ended: Int64 { excluded + adopted + timelines.reduce(0) { $0 + $1.count } }
}

/// Responses that ended in one way.
public struct EndingCount: Sendable {
    /// The way.
    public let ending: Ending
    /// How many.
    public let count: Int64

    /// Both.
    public init(ending: Ending, count: Int64) {
        self.ending = ending
        self.count = count
    }
}

/// Responses with one class of status.
public struct StatusCount: Sendable {
    /// 1...5; 0: no status was seen.
    public let hundreds: Int
    /// How many.
    public let count: Int64

    /// Both.
    public init(hundreds: Int, count: Int64) {
        self.hundreds = hundreds
        self.count = count
    }
}

/// Responses that had begun and not ended when the run ended: their durations are not final, so no percentile has them.
public struct OpenReport: Sendable {
    /// How many.
    public var count: Int64 = 0
    /// Age of the oldest, ns.
    public var oldest: Int64 = 0
    /// Sum of their timelines so far.
    public var times = StageTimes()
    /// Sum of what held their bytes so far.
    public var causes = CauseTimes()
    /// Largest number of unsent bytes of one of them.
    public var unsentBytesMax: Int64 = 0

    /// None.
    public init() {}
}
