// SPDX-License-Identifier: MIT
import TailraceModel

/// One server process: what its windows are made of, and its findings.
struct ServerWatch {
    let server: Server
    /// As they were at the look before, by cookie.
    private var memory: [UInt64: ConnectionWindow] = [:]
    private var arrivals = Arrivals()
    private var endedQdisc: (time: Int64, flushes: Int64) = (0, 0)
    private var points = ResponsePoints(provider: StageCorrelation.responses)
    /// The same by tasks that somebody counts; nil: nobody does.
    private var counted: ResponsePoints?
    private var moments = MomentSeries()
    /// The newest end of a response that tells.
    private var newest: Nanoseconds = 0
    private var correlations: [StageCorrelation] = []
    private var curve: CountedCurve?
    private var tasks = TaskSeries()
    private var trend: TaskTrend?
    private var stalls: StallWatch
    var book: FindingBook
    /// The look before.
    private var last: Nanoseconds
    /// It had a connection or a response last.
    var seen: Nanoseconds { max(last, newest) }
    private var windows = 0
    var limits: Thresholds { didSet { book.limits = limits } }
    /// Windows between two looks at what takes longer to compute: correlations and trends.
    private static let rarely = 5
    /// Without a new response for that long, correlations say nothing of now, ns.
    private static let current: Int64 = 10_000_000_000

    init(server: Server, at: Nanoseconds, limits: Thresholds) {
        self.server = server
        self.limits = limits
        stalls = StallWatch(begin: at)
        book = FindingBook(limits: limits)
        last = at
    }

    /// A response ended.
    mutating func add(_ response: EndedResponse) {
        stalls.add(ended: response)
        addPoints(response)
        let earlier = response.begin < last ? memory[response.connection.cookie]?.look.response : nil
        let known = earlier?.number == response.number ? earlier : nil
        endedQdisc.time = endedQdisc.time.sum(with: response.qdisc.sum - (known?.qdisc.sum ?? 0))
        endedQdisc.flushes += response.qdisc.count - (known?.qdisc.count ?? 0)
        if response.isStreaming {
            moments.add(
                gaps: response.gaps.count - (known?.gapSent.count ?? 0),
                sum: response.gaps.sum - (known?.gapSent.sum ?? 0))
        }
        guard known == nil, !response.isPartial else { return }
        let wait = (response.timeline[.read] ?? 0).sum(with: response.timeline[.accept] ?? 0)
        arrivals.add(wait, on: response.connection, isFirst: response.number == 1)
    }

    private mutating func addPoints(_ response: EndedResponse) {
        guard response.tellsLatency else { return }
        newest = max(newest, response.end)
        moments.add(latency: response.end - response.begin)
        points.add(response, tasks: response.inFlight)
        guard let tasks = response.tasks, let open = tasks.begin else { return }
        if counted?.provider != tasks.provider { counted = ResponsePoints(provider: tasks.provider) }
        counted?.add(response, tasks: open)
    }

    mutating func add(_ hold: Hold) { stalls.add(hold) }

    /// All its connections were looked at. What opened, changed or closed goes to `findings`.
    @discardableResult
    mutating func take(
        _ looks: [ConnectionLook], others: (held: [HeldConnection], waiting: [WaitingConnection]) = ([], []),
        _ sample: ServerSample, to findings: inout [Finding]
    ) -> ServerWindow {
        let at = sample.at
        var connections: [ConnectionWindow] = []
        connections.reserveCapacity(looks.count)
        var memory: [UInt64: ConnectionWindow] = [:]
        memory.reserveCapacity(looks.count)
        for look in looks {
            let cookie = look.connection.cookie
            let before = self.memory[cookie]
            let window = ConnectionWindow(look, after: before, limits: limits)
            memory[cookie] = window
            connections.append(window)
            addResponse(of: look, since: before?.look, at: at)
        }
        self.memory = memory
        tasks.add(sample, connections: memory.count)
        moments.add(sample, since: last)
        stalls.finishLook(at: at)
        if windows % Self.rarely == 0 { compute(at: at) } else { computeTrend() }
        windows += 1
        if let provider = curve?.provider { curve?.now = Self.count(by: provider, in: sample) }
        let window = ServerWindow(
            server: server, at: at, length: max(0, at - last), connections: connections, held: others.held,
            waiting: others.waiting, inFlight: sample.inFlight, arrivals: arrivals, endedQdisc: endedQdisc,
            correlations: correlations,
            counted: sample.tasks.first?.open, curve: curve, tasks: trend, writing: sample.writing,
            leftBehind: tasks.leftBehind,
            pressure: stalls.pressure)
        book.take(window, to: &findings)
        arrivals = Arrivals()
        endedQdisc = (0, 0)
        last = at
        return window
    }

    /// Of what the curve is about.
    private static func count(by provider: String, in sample: ServerSample) -> Int? {
        if provider == StageCorrelation.responses { return sample.inFlight }
        return sample.tasks.first { $0.provider == provider }?.open
    }

    /// The response in the making is large: nothing of it is copied for a look at it.
    private mutating func addResponse(of look: ConnectionLook, since before: ConnectionLook?, at: Nanoseconds) {
        guard look.response != nil else { return }
        stalls.add(open: look.response?.begin ?? at, at: at)
        let isNew = before?.response?.number != look.response?.number
        if isNew { arrivals.add(look.response?.readWait ?? 0, on: look.connection, isFirst: false) }
        guard look.response?.isStreaming == true else { return }
        let told = isNew ? (0, 0) : (before?.response?.gapSent.count ?? 0, before?.response?.gapSent.sum ?? 0)
        moments.add(
            gaps: (look.response?.gapSent.count ?? 0) - told.0, sum: (look.response?.gapSent.sum ?? 0) - told.1)
    }

    private var allCorrelations: [StageCorrelation] { points.correlations + (counted?.correlations ?? []) }

    private mutating func compute(at: Nanoseconds) {
        let isNew = at - newest < Self.current
        correlations = isNew ? allCorrelations : []
        curve = isNew ? (counted ?? points).curve : nil
        trend = tasks.trend
    }

    /// A short series costs nothing, and a leak is told early by it.
    private mutating func computeTrend() { if tasks.isShort { trend = tasks.trend } }

    /// As it is now, a second late.
    var pressure: ServerPressure { stalls.pressure }

    /// Over the whole run, or what is kept of it.
    mutating func insight() -> ServerInsight {
        stalls.finish()
        var insight = ServerInsight(server: server)
        insight.pressure = stalls.pressure
        insight.correlations = allCorrelations
        insight.tasks = tasks.trend
        insight.changes = moments.changes
        insight.history = moments.moments
        return insight
    }
}
