// SPDX-License-Identifier: MIT
import TailraceModel

/// From what a correlator and a watch tell to series for Prometheus and OpenTelemetry. Pure: time comes with what is told, and
/// with the question. Memory is bounded: at most 200 servers have series of their own. A class, because it is one account.
///
///     let metrics = MetricsBuilder()
///     correlator.take(event) { actions in metrics.take(actions, told: snapshots.take(actions)) }
///     let set = metrics.metrics(at: now, facts: facts, account: account)
public final class MetricsBuilder {
    /// Servers with series of their own, and `other`.
    public static let mostServers = 200

    private var servers: NamedTallies<ServerSeries>
    private var programs: NamedTallies<ProgramSeries>
    private var stalls = StallMemory()
    private var unnamedResponses: Int64 = 0
    /// The most that the daemon told of itself: a helper that ends takes its own part of it along.
    private var processorTime: Int64 = 0
    private var anchor: ClockAnchor?
    private let begin: Nanoseconds

    /// `begin`: when tracing began.
    public init(begin: Nanoseconds = 0) {
        self.begin = begin
        servers = NamedTallies(most: Self.mostServers, since: begin)
        programs = NamedTallies(most: Self.mostServers, since: begin)
    }

    /// Takes what an event led to, and what the watch made of it. Needs flushes to be told.
    public func take(_ actions: borrowing Actions, told: borrowing Watch.Told) {
        if let response = actions.ended.baseAddress { add(response) }
        if let flush = actions.flushInPlace { add(flush) }
        if let look = actions.look { add(look, told) }
    }

    private func add(_ response: UnsafePointer<Response>) {
        let place = servers.place(
            of: response.pointee.server, port: response.pointee.connection.local.port, at: response.pointee.end)
        if place == 0 { unnamedResponses += 1 }
        servers.tallies[place].add(response)
    }

    private func add(_ flush: UnsafePointer<Flush>) {
        let place = servers.place(of: flush.pointee.server, port: flush.pointee.port, at: flush.pointee.at)
        servers.tallies[place].add(flush)
    }

    private func add(_ look: RoundLook, _ told: borrowing Watch.Told) {
        servers.beginLook(at: look.at)
        programs.beginLook(at: look.at)
        for connection in look.connections {
            let place = servers.place(of: connection.server, port: connection.connection.local.port, at: look.at)
            servers.tallies[place].add(connection, at: look.at)
        }
        for sample in told.samples {
            programs.tallies[programs.place(of: sample.server, port: 0, at: look.at)].add(sample)
        }
        for window in told.windows {
            guard let grown = stalls.take(window) else { continue }
            programs.tallies[programs.place(of: window.server, port: 0, at: look.at)].add(grown)
        }
        stalls.trim(told.windows)
        for finding in told.findings where finding.state == .opened {
            programs.tallies[programs.place(of: finding.server, port: 0, at: look.at)].add(opened: finding)
        }
        for finding in told.open {
            programs.tallies[programs.place(of: finding.server, port: 0, at: look.at)].add(open: finding)
        }
    }

    /// All series, as they are.
    ///
    /// - Parameters:
    ///   - time: by the clock of events.
    ///   - facts: of the run: its clock anchor, and what `account` leaves open of kernel, backend and loss.
    ///   - account: of the daemon itself.
    /// - Returns: a bounded number of values.
    public func metrics(
        at time: Nanoseconds, facts: RunFacts, account: DaemonAccount = DaemonAccount()
    ) -> MetricSet {
        let anchor = steady(facts.anchor)
        var book = FamilyBook(wall: anchor.wall(at: time), begin: anchor.wall(at: begin))
        for place in servers.used { servers.tallies[place].tell(in: &book, anchor: anchor) }
        for place in programs.used { programs.tallies[place].tell(in: &book, anchor: anchor) }
        var account = account
        if let time = account.processorTime {
            processorTime = max(processorTime, time)
            account.processorTime = processorTime
        }
        book.add(account, facts)
        book.add(.namedServers, count: Int64(servers.named))
        book.add(.evictedServers, count: servers.evicted)
        book.add(.evictedResponses, count: servers.evictedResponses)
        book.add(.unnamedResponses, count: unnamedResponses)
        return book.metrics
    }

    /// What is kept: tallies of servers and of programs, and processes whose pressure is known.
    var kept: [Int] { [servers.tallies.count, programs.tallies.count, stalls.count] }

    /// The same as before unless the wall clock was set: what is told twice has the same time twice.
    private func steady(_ new: ClockAnchor) -> ClockAnchor {
        if let anchor, abs(anchor.wall(at: new.monotonic) - new.wall) < 1_000_000_000 { return anchor }
        anchor = new
        return new
    }
}

/// How long each process was held when it was looked at last: a watch tells totals by process, and begins anew with each.
struct StallMemory {
    private var known: [Int32: (started: Nanoseconds, totals: StallTotals)] = [:]
    private static let most = 1024
    var count: Int { known.count }

    /// What grew since the last look; nil: nothing did.
    mutating func take(_ window: ServerWindow) -> StallTotals? {
        let totals = StallTotals(window.pressure)
        let before = known[window.server.pid].flatMap { $0.started == window.server.started ? $0.totals : nil }
        known[window.server.pid] = (window.server.started, totals)
        guard let before else { return totals.since(StallTotals(), most: window.length) }
        return before.some[0] == totals.some[0] ? nil : totals.since(before, most: .max)
    }

    /// Processes that come and go do not pile up.
    mutating func trim(_ windows: [ServerWindow]) {
        guard known.count > Self.most else { return }
        let seen = Set(windows.map(\.server.pid))
        known = known.filter { seen.contains($0.key) }
    }
}
