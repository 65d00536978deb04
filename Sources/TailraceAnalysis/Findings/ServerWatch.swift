// SPDX-License-Identifier: MIT
import TailraceModel

/// One server process: what its windows are made of, and its findings.
struct ServerWatch {
    let server: Server
    private var memory: [UInt64: ConnectionMemory] = [:]
    private var arrivals = Arrivals()
    private var endedQdisc: (time: Int64, flushes: Int64) = (0, 0)
    private var points = ResponsePoints()
    private var correlations: [StageCorrelation] = []
    private var curve: (line: LatencyCurve, responses: Int)?
    private var tasks = TaskSeries()
    private var trend: TaskTrend?
    private var stalls: StallWatch
    private(set) var book: FindingBook
    /// The look before.
    private var last: Nanoseconds
    /// It had a connection or a response last.
    var seen: Nanoseconds { max(last, points.newest) }
    private var windows = 0
    private var inFlight = 0
    private let limits: Thresholds
    /// Windows between two looks at what takes longer to compute: correlations and trends.
    private static let rarely = 5
    /// Without a new response for that long, correlations say nothing of now, ns.
    private static let newest: Int64 = 10_000_000_000

    init(server: Server, at: Nanoseconds, limits: Thresholds) {
        self.server = server
        self.limits = limits
        stalls = StallWatch(begin: at)
        book = FindingBook(limits: limits)
        last = at
    }

    /// A response ended.
    mutating func add(_ response: borrowing Response) {
        stalls.add(ended: response)
        points.add(response)
        let cookie = response.connection.cookie
        let earlier = response.begin < last ? memory[cookie]?.look.response : nil
        let isKnown = earlier?.number == response.number
        let qdisc = response.delivery.qdisc
        endedQdisc.time = endedQdisc.time.sum(with: qdisc.sum - (isKnown ? earlier?.qdisc.sum ?? 0 : 0))
        endedQdisc.flushes += qdisc.count - (isKnown ? earlier?.qdisc.count ?? 0 : 0)
        guard !isKnown, !response.isAdopted, !response.missesEvents else { return }
        let wait = (response.timeline[.read] ?? 0).sum(with: response.timeline[.accept] ?? 0)
        arrivals.add(wait, on: response.connection)
    }

    mutating func add(_ hold: Hold) { stalls.add(hold) }

    mutating func add(_ reading: TaskReading) {
        tasks.add(reading, inFlight: inFlight, connections: memory.count)
    }

    /// All its connections were looked at. What opened, changed or closed goes to `findings`.
    @discardableResult
    mutating func take(
        _ looks: [ConnectionLook], _ sample: ServerSample, to findings: inout [Finding]
    ) -> ServerWindow {
        let at = sample.at
        var connections: [ConnectionWindow] = []
        connections.reserveCapacity(looks.count)
        var memory: [UInt64: ConnectionMemory] = [:]
        memory.reserveCapacity(looks.count)
        for look in looks {
            let cookie = look.connection.cookie
            let before = self.memory[cookie]
            let window = ConnectionWindow(look, after: before, queuedLimit: limits.whole(.pressureQueued))
            memory[cookie] = ConnectionMemory(window)
            connections.append(window)
            guard let response = look.response else { continue }
            stalls.add(open: response.begin, at: at)
            if before?.look.response?.number != response.number { arrivals.add(response.readWait, on: look.connection) }
        }
        self.memory = memory
        inFlight = sample.inFlight
        stalls.finishLook(at: at)
        if windows % Self.rarely == 0 { compute(at: at) } else { computeTrend() }
        windows += 1
        let window = ServerWindow(
            server: server, at: at, length: max(0, at - last), connections: connections, inFlight: sample.inFlight,
            arrivals: arrivals, endedQdisc: endedQdisc, correlations: correlations, curve: curve, tasks: trend,
            leftBehind: tasks.leftBehind, pressure: stalls.pressure)
        book.take(window, to: &findings)
        arrivals = Arrivals()
        endedQdisc = (0, 0)
        last = at
        return window
    }

    private mutating func compute(at: Nanoseconds) {
        let isNew = at - points.newest < Self.newest
        correlations = isNew ? points.correlations : []
        curve = isNew ? points.curve : nil
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
        insight.correlations = points.correlations
        insight.tasks = tasks.trend
        return insight
    }
}
