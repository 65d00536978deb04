// SPDX-License-Identifier: MIT

/// Latency with about so many open tasks.
public struct CurvePoint: Sendable, Equatable {
    /// Mean number of open tasks.
    public let tasks: Double
    /// Median latency, ns.
    public let latency: Double
    /// Responses.
    public let count: Int

    /// All of it.
    public init(tasks: Double, latency: Double, count: Int) {
        self.tasks = tasks
        self.latency = latency
        self.count = count
    }
}

/// How one stage's latency goes with open tasks.
public struct StageCorrelation: Sendable, Equatable {
    /// The provider that everybody has: responses in flight.
    public static let responses = "responses"
    /// Which stage.
    public let stage: Stage
    /// Who counted the tasks: `responses` in flight, or `go`, `swift` ...
    public let provider: String
    /// Spearman's rank correlation, -1...1; nil: one of the two does not vary.
    public let rho: Double?
    /// How likely that is by chance.
    public let probability: Double?
    /// Responses.
    public let count: Int
    /// Open tasks from which the latency leaves its base; nil: no knee.
    public let knee: Double?
    /// Median latency up to the knee, ns; nil: no knee.
    public let base: Double?
    /// Median latency beyond the knee, ns; nil: no knee.
    public let beyond: Double?
    /// The curve, by tasks, ascending; a few dozen at most.
    public let curve: [CurvePoint]

    /// All of it.
    public init(
        stage: Stage, provider: String, rho: Double?, probability: Double?, count: Int, knee: Double? = nil,
        base: Double? = nil, beyond: Double? = nil, curve: [CurvePoint] = []
    ) {
        self.stage = stage
        self.provider = provider
        self.curve = curve
        self.rho = rho
        self.probability = probability
        self.count = count
        self.knee = knee
        self.base = base
        self.beyond = beyond
    }
}

extension StageCorrelation {
    /// Largest probability of chance at which a correlation is told.
    private static let chance = 0.001
    /// Latency beyond a knee by that before it, from which it is one to people.
    private static let bend = 2.0

    /// It is no chance.
    public var isTelling: Bool { probability.map { $0 < Self.chance } ?? false }

    /// The knee with the median latencies up to it and beyond, where the second is far above the first and neither is chance.
    public var bend: (knee: Double, base: Double, beyond: Double)? {
        guard isTelling, let knee, let base, let beyond, beyond >= Self.bend * base else { return nil }
        return (knee, base, beyond)
    }
}

/// Open tasks that neither responses in flight nor connections explain.
public struct TaskTrend: Codable, Sendable {
    /// Who counted.
    public var provider = ""
    /// Tasks by response in flight; nil: their number did not vary.
    public var perResponse: Double?
    /// Tasks by connection; nil: their number did not vary.
    public var perConnection: Double?
    /// Tasks that are left over now, more than at first.
    public var unexplained = 0.0
    /// Their growth, tasks a second (Theil-Sen).
    public var slope = 0.0
    /// The slope lies in there with 95 % confidence.
    public var slopeRange = 0.0...0.0
    /// How likely such a trend is by chance (Mann-Kendall).
    public var probability = 1.0
    /// Readings.
    public var count = 0
    /// Time that they span, ns.
    public var span: Int64 = 0
    /// Open tasks now.
    public var open = 0
    /// The census group that grew most, in words. Untrusted.
    public var growing: String?

    /// Nothing known.
    public init() {}
}

/// What pressure and open tasks had to do with the responses of one server process.
public struct ServerInsight: Sendable {
    /// Whose.
    public let server: Server
    /// Held by queues.
    public var pressure = ServerPressure()
    /// By stage, for stages that responses spent time in.
    public var correlations: [StageCorrelation] = []
    /// nil: nobody counted its tasks, or too rarely.
    public var tasks: TaskTrend?
    /// Where its habits changed, by time.
    public var changes: [HabitChange] = []
    /// The run in a bounded number of parts, by time.
    public var history: [ServerMoment] = []

    /// Nothing known yet.
    public init(server: Server) { self.server = server }
}
