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
    private var watches: ContiguousArray<ServerWatch> = []
    /// Where a process is watched, by its id.
    private var places: [Int32: Place] = [:]
    private var vacant: [Int] = []
    /// Most responses come from the server of the one before.
    private var lastServer: Server?
    private var lastPlace: Int?
    /// Of processes whose number is another one's now.
    private var ended: [Finding] = []

    private struct Place {
        let index: Int
        let started: Nanoseconds
    }
    /// May change at any time.
    public var limits: Thresholds { didSet { for place in watches.indices { watches[place].limits = limits } } }
    /// Looks at servers that were not watched, because there were too many.
    public private(set) var unwatched: UInt64 = 0

    /// What an event led to.
    public struct Told {
        /// In the order of servers and anomalies.
        public var findings: [Finding] = []
        /// Those of the event, with what is known of pressure.
        public var samples: [ServerSample] = []
        /// What was looked at, by server.
        public var windows: [ServerWindow] = []
        /// Findings that are open, by server and anomaly; only where sockets were looked at.
        public var open: [Finding] = []

        /// Nothing.
        public init() {}
    }

    /// With the limits of a run.
    public init(limits: Thresholds = Thresholds()) { self.limits = limits }

    /// Findings that are open, by server and anomaly.
    public var open: [Finding] { ordered.flatMap { watches[$0].book.open } }

    private var ordered: [Int] { places.sorted { $0.key < $1.key }.map(\.value.index) }

    /// Takes what an event led to.
    public mutating func take(_ actions: borrowing Actions) -> Told {
        if let response = actions.ended.baseAddress, let server = response.pointee.server {
            let ended = EndedResponse(response)
            if let index = index(of: server, at: ended.begin) { watches[index].add(ended) }
        }
        guard let look = actions.look else { return Told() }
        return take(look)
    }

    /// Processes that are watched.
    var watched: Int { places.count }

    mutating func take(_ look: RoundLook) -> Told {
        var told = Told()
        for sample in look.samples { _ = index(of: sample.server, at: look.begin) }
        swap(&told.findings, &ended)
        for hold in look.holds { if let place = places[hold.pid] { watches[place.index].add(hold) } }
        var connections: [Int32: [ConnectionLook]] = [:]
        for connection in look.connections { connections[connection.server.pid, default: []].append(connection) }
        let held = Dictionary(grouping: look.held, by: \.server.pid)
        let waiting = look.waiting.isEmpty ? [:] : Dictionary(grouping: look.waiting, by: { $0.server?.pid ?? 0 })
        for var sample in look.samples {
            let pid = sample.server.pid
            let looks = (connections[pid] ?? []).sorted { $0.connection.cookie < $1.connection.cookie }
            if let index = places[pid]?.index {
                let others = (held: held[pid] ?? [], waiting: waiting[pid] ?? [])
                told.windows.append(watches[index].take(looks, others: others, sample, to: &told.findings))
                sample.pressure = watches[index].pressure.all
            }
            told.samples.append(sample)
        }
        quieten(Set(look.samples.map(\.server.pid)), held, at: look.at, to: &told.findings)
        told.open = open
        return told
    }

    /// A server without a connection has windows without one as long as something is open with it, or it holds what is closed.
    private mutating func quieten(
        _ seen: Set<Int32>, _ held: [Int32: [HeldConnection]], at: Nanoseconds, to findings: inout [Finding]
    ) {
        for index in ordered {
            let server = watches[index].server
            guard !seen.contains(server.pid), watches[index].book.isBusy || held[server.pid] != nil else { continue }
            let sample = ServerSample(server: server, at: at)
            watches[index].take([], others: (held[server.pid] ?? [], []), sample, to: &findings)
        }
    }

    /// Where that process is watched; nil: too many are.
    private mutating func index(of server: Server, at: Nanoseconds) -> Int? {
        if server === lastServer { return lastPlace }
        lastServer = server
        lastPlace = places[server.pid]?.index
        if let place = places[server.pid], place.started == server.started { return place.index }
        if lastPlace == nil, places.count >= Self.mostServers { forgetGone(at: at) }
        guard lastPlace != nil || places.count < Self.mostServers else {
            unwatched += 1
            return nil
        }
        let watch = ServerWatch(server: server, at: at, limits: limits)
        if let lastPlace { watches[lastPlace].book.closeAll(at: at, to: &ended) }
        let index = lastPlace ?? vacant.popLast() ?? watches.count
        if index == watches.count { watches.append(watch) } else { watches[index] = watch }
        places[server.pid] = Place(index: index, started: server.started)
        lastPlace = index
        return index
    }

    /// Those that have gone make room.
    private mutating func forgetGone(at: Nanoseconds) {
        for (pid, place) in places where watches[place.index].seen < at - Self.gone {
            places[pid] = nil
            vacant.append(place.index)
        }
    }

    /// What pressure and open tasks had to do with responses, by process id. At the end of a run.
    public mutating func insights() -> [ServerInsight] { ordered.map { watches[$0].insight() } }
}
