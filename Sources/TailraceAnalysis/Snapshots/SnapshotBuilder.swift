// SPDX-License-Identifier: MIT
import TailraceModel

/// From what a correlator tells to what the dashboard draws. Pure: time comes with what is told, and with the question. Memory
/// is that of a fixed number of seconds, and of what the newest look at all sockets met.
///
///     var builder = SnapshotBuilder()
///     correlator.take(event) { actions in builder.take(actions) }
///     let snapshot = builder.snapshot(at: now, facts: facts)
public struct SnapshotBuilder {
    private var watch: Watch
    private var ring = SecondRing()
    /// Of the newest look; nil: nobody has asked since.
    private var picture: SocketPicture?
    private var ended = EndedRecord()
    private var findings = FindingRecord()
    private var tasks = TaskRecord()
    private var follower = ResponseFollower()
    private var windows: [ServerWindow] = []
    private var endedTotal: Int64 = 0
    private var tables = SecondTables()

    /// Rows of a list that a snapshot takes along.
    public static let mostRows = 200
    /// Servers that a snapshot takes along.
    static let mostServers = 32

    /// Findings that were told so far.
    public var opened: Int { findings.opened }

    /// From when on something is a finding; may change at any time.
    public var limits: Thresholds {
        get { watch.limits }
        set { watch.limits = newValue }
    }

    /// With the limits of a run.
    public init(limits: Thresholds = Thresholds()) { watch = Watch(limits: limits) }

    /// Takes what an event led to, and tells what the watch made of it.
    @discardableResult
    public mutating func take(_ actions: borrowing Actions) -> Watch.Told {
        for place in actions.ended.indices { add(actions.ended[place]) }
        if let flush = actions.flush { add(flush) }
        let told = watch.take(actions)
        if let look = actions.look { add(look, told) }
        return told
    }

    /// Tasks were grouped, at `time`.
    public mutating func take(_ census: TaskCensus, at time: Nanoseconds) { tasks.take(census, at: time) }

    private static let responseStages = Stage.allCases

    private mutating func add(_ response: borrowing Response) {
        endedTotal += 1
        ended.add(response)
        follower.add(response)
        let isWay = !response.missesEvents && !response.isAdopted && !response.isStreaming
        let (duration, causes, ackDelay) = (response.duration, response.causes, response.ackDelay)
        let times = response.timeline
        ring.update(response.end) { second in
            second.ended += 1
            if isWay { second.responses.add(duration, times, causes, ackDelay: ackDelay, Self.responseStages) }
        }
    }

    private mutating func add(_ flush: Flush) {
        follower.add(flush)
        guard let total = flush.total else { return }
        ring.update(flush.at + total) { second in
            second.bytes += flush.bytes
            second.flushes.add(total, flush.stages, CauseTimes(), ackDelay: nil, Stage.delivery)
        }
    }

    private mutating func add(_ look: RoundLook, _ told: Watch.Told) {
        windows = told.windows
        findings.take(told.findings, open: told.open)
        for sample in told.samples { tasks.take(sample) }
        tasks.look(windows)
        picture = nil
        follower.look(windows)
        var gauges = SecondTally.Gauges(tasks: tasks.counts, openTasks: tasks.open)
        for window in windows { for connection in window.connections { gauges.add(connection) } }
        ring.look(gauges, at: look.at)
    }

    /// Drawn when somebody looks at it: a daemon that nobody watches has ten thousand rows for no one.
    private mutating func draw() -> SocketPicture {
        let sockets = picture ?? SocketPicture(windows, tasks: tasks)
        picture = sockets
        return sockets
    }

    /// As it stands at `time`.
    ///
    /// - Parameters:
    ///   - time: by the clock of events.
    ///   - facts: of the run itself.
    ///   - request: which rows are wanted.
    ///   - open: the open responses of a connection as they stand, or of all; asked only where one is wanted in detail.
    /// - Returns: a bounded number of values.
    public mutating func snapshot(
        at time: Nanoseconds, facts: RunFacts, request: SnapshotRequest = SnapshotRequest(),
        open: (_ connection: UInt64) -> [Response] = { _ in [] }
    ) -> Snapshot {
        var snapshot = Snapshot(facts: facts, at: time)
        snapshot.request = request
        tables.refresh(ring, at: time, tasks: tasks, correlations: best?.correlations ?? [])
        tables.fill(&snapshot)
        let sockets = draw()
        snapshot.totals = totals(sockets, tables)
        sockets.fill(&snapshot)
        snapshot.ended = ended.rows
        snapshot.findings = findings.sorted
        snapshot.tasks.groups = tasks.groups
        snapshot.tasks.counted = tasks.counted
        snapshot.servers = servers
        snapshot.curve = curve
        if let key = request.detail { snapshot.detail = detail(key, in: sockets, open) }
        snapshot.verdict = Verdict(of: snapshot)
        return snapshot
    }

    private func totals(_ sockets: SocketPicture, _ tables: SecondTables) -> SnapshotTotals {
        var totals = sockets.totals
        totals.tasks = tasks.open
        totals.ended = endedTotal
        let rate = { (values: [Double?]) -> Double in
            let last = values.suffix(SnapshotSeries.smooth)
            return last.isEmpty ? 0 : last.reduce(0) { $0 + ($1 ?? 0) } / Double(last.count)
        }
        totals.endedPerSecond = rate(tables.series.ended)
        totals.bytesPerSecond = rate(tables.series.bytes)
        totals.retransmitsPerSecond = rate(tables.series.retransmits)
        return totals
    }

    /// The server of which most responses are known.
    private var best: ServerWindow? {
        windows.max { left, right in
            let counts = { (window: ServerWindow) in
                window.correlations.map(\.count).max() ?? window.curve?.responses ?? 0
            }
            return (counts(left), right.server.pid) < (counts(right), left.server.pid)
        }
    }

    private var curve: TaskCurve? {
        guard let best, let curve = best.curve, curve.line.points.count >= 2 else { return nil }
        let climbs = best.correlations.contains {
            $0.provider == curve.provider && ($0.rho ?? 0) >= Verdict.climbing && ($0.probability ?? 1) < 0.001
                && $0.knee != nil
        }
        return TaskCurve(
            points: curve.line.points.map { TaskCurve.Point(tasks: $0.tasks, latency: $0.latency) },
            knee: climbs ? curve.line.knee?.tasks : nil, count: curve.responses,
            provider: curve.provider, now: curve.now, server: best.server)
    }

    private var servers: [ServerRow] {
        let rows = windows.map { window in
            var row = ServerRow(server: window.server)
            row.inFlight = window.inFlight
            row.connections = window.connections.count
            for connection in window.connections {
                row.unsentBytes += Int64(connection.sample.unsentBytes)
                row.queuedBytes += Int64(connection.sample.queuedBytes)
                if connection.sample.blocked > 0 { row.blockedWriters += 1 }
            }
            row.tasks = tasks.count(of: window.server.pid)
            row.pressure = window.pressure
            row.trend = window.tasks
            return row
        }
        let sorted = rows.sorted {
            ($1.pressure.all.some.avg10, $1.inFlight, $0.server.pid)
                < ($0.pressure.all.some.avg10, $0.inFlight, $1.server.pid)
        }
        return Array(sorted.prefix(Self.mostServers))
    }

    /// All of one response, as it stands or as it ended.
    private mutating func detail(
        _ key: ResponseKey, in sockets: SocketPicture, _ open: (UInt64) -> [Response]
    ) -> ResponseDetail {
        var detail = follower.detail(key)
        detail.response =
            open(key.cookie).first { $0.connection.cookie == key.cookie && $0.number == key.number }
            ?? ended.response(key) ?? detail.response
        detail.socket = sockets.sockets.first { $0.connection.cookie == key.cookie }
        // Its writer waits inside a call that no flush tells of yet.
        if let blocked = detail.socket?.sample.blocked, blocked > 0, detail.response?.state == .open {
            detail.response?.timeline.move(blocked, from: .app, to: .blocked)
        }
        return detail
    }
}

extension StageTimes {
    /// At most what is there.
    fileprivate mutating func move(_ time: Int64, from: Stage, to: Stage) {
        let moved = max(0, min(time, self[from] ?? 0))
        add(-moved, to: from)
        add(moved, to: to)
    }
}
