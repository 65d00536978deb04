// SPDX-License-Identifier: MIT
import TailraceModel

/// From what a correlator tells to findings. Pure: the time of everything is in what is told, so the same recording gives the
/// same findings.
///
///     var watch = Watch()
///     correlator.take(event) { actions in let told = watch.take(actions) ... }
public struct Watch {
    /// Processes that are watched; those beyond are counted.
    static let mostServers = 256
    /// A server without a connection and a response for that long may have gone, ns.
    private static let gone: Int64 = 60_000_000_000
    private var servers: [Int32: ServerWatch] = [:]
    private var lastServer: Server?
    private let limits: Thresholds
    /// Looks at servers that were not watched, because there were too many.
    public private(set) var unwatched: UInt64 = 0

    /// What an event led to.
    public struct Told {
        /// In the order of servers and anomalies.
        public var findings: [Finding] = []
        /// Those of the event, with what is known of pressure.
        public var samples: [ServerSample] = []
    }

    /// With the limits of a run.
    public init(limits: Thresholds = Thresholds()) { self.limits = limits }

    /// Findings that are open, by server and anomaly.
    public var open: [Finding] { servers.sorted { $0.key < $1.key }.flatMap { $0.value.book.open } }

    /// Tasks were counted. What is told of a process without connections is not used.
    public mutating func take(_ reading: TaskReading) { servers[reading.pid]?.add(reading) }

    /// Takes what an event led to.
    public mutating func take(_ actions: borrowing Actions) -> Told {
        for place in actions.ended.indices {
            guard let server = actions.ended[place].server else { continue }
            watch(server, at: actions.ended[place].begin)
            servers[server.pid]?.add(actions.ended[place])
        }
        guard let look = actions.look else { return Told() }
        return take(look)
    }

    /// Processes that are watched.
    var watched: Int { servers.count }

    mutating func take(_ look: RoundLook) -> Told {
        var told = Told()
        for sample in look.samples { watch(sample.server, at: look.begin) }
        for hold in look.holds { servers[hold.pid]?.add(hold) }
        var connections: [Int32: [ConnectionLook]] = [:]
        for connection in look.connections { connections[connection.server.pid, default: []].append(connection) }
        for var sample in look.samples {
            let pid = sample.server.pid
            let looks = (connections[pid] ?? []).sorted { $0.connection.cookie < $1.connection.cookie }
            servers[pid]?.take(looks, sample, to: &told.findings)
            sample.pressure = servers[pid]?.pressure.all
            told.samples.append(sample)
        }
        quieten(Set(look.samples.map(\.server.pid)), at: look.at, to: &told.findings)
        return told
    }

    /// A server without a connection has windows without one as long as something is open with it.
    private mutating func quieten(_ seen: Set<Int32>, at: Nanoseconds, to findings: inout [Finding]) {
        for pid in servers.keys.sorted() where !seen.contains(pid) {
            guard let watched = servers[pid], watched.book.isBusy else { continue }
            let server = watched.server
            servers[pid]?.take([], ServerSample(server: server, at: at), to: &findings)
        }
    }

    private mutating func watch(_ server: Server, at: Nanoseconds) {
        // Most responses come from the server of the one before.
        if server === lastServer { return }
        lastServer = nil
        defer { if servers[server.pid] != nil { lastServer = server } }
        if let known = servers[server.pid], known.server.started == server.started { return }
        if servers[server.pid] == nil, servers.count >= Self.mostServers {
            // Those that have gone make room.
            for (pid, watched) in servers where watched.seen < at - Self.gone { servers[pid] = nil }
            if servers.count >= Self.mostServers { return unwatched += 1 }
        }
        servers[server.pid] = ServerWatch(server: server, at: at, limits: limits)
    }

    /// What pressure and open tasks had to do with responses, by process id. At the end of a run.
    public mutating func insights() -> [ServerInsight] {
        var insights: [ServerInsight] = []
        for pid in servers.keys.sorted() { if let insight = servers[pid]?.insight() { insights.append(insight) } }
        return insights
    }
}
