// SPDX-License-Identifier: MIT
import TailraceModel

/// Sums up one server's responses in bounded memory.
struct ServerTally {
    private var report: ServerReport
    private var pids: Set<Int32> = []
    private var lastPid: Int32?
    /// The newest request and its group: most are like the one before.
    private var lastTarget = (method: String?.none, target: String?.none, name: "-")
    private var plain = TimelineTally(isStreaming: false)
    private var streaming = TimelineTally(isStreaming: true)
    private var paces = [PaceReport(isStreaming: false), PaceReport(isStreaming: true)]
    private var endings: [Ending: Int64] = [:]
    private var statuses = [Int64](repeating: 0, count: 10)
    private var slowest = Largest<RankedResponse>(capacity: ReportBuilder.rows)
    private var targets = Heaviest<String, TargetReport>(
        capacity: ReportBuilder.keptTargets, weight: { $0.duration.count }, merge: { $0.merge($1) })
    private var peers = Heaviest<Endpoint, PeerReport>(
        capacity: ReportBuilder.keptPeers, weight: { $0.held }, merge: { $0.merge($1) })
    private var queue = QueueTable()
    private var hasFlushes = false

    private struct RankedResponse: Comparable {
        let response: ToldResponse
        let weight: Int64

        static func == (left: RankedResponse, right: RankedResponse) -> Bool {
            left.response.id == right.response.id
        }

        static func < (left: RankedResponse, right: RankedResponse) -> Bool {
            (left.weight, right.response.begin, right.response.id)
                < (right.weight, left.response.begin, left.response.id)
        }

        /// How slow it is. A stream lasts as long as it has something to say: what is slow of it is what was not the app's. What
        /// was under way before the run may be one.
        static func weight(of response: borrowing Response) -> Int64 {
            guard response.isStreaming || response.isAdopted else { return response.duration }
            return response.duration - (response.timeline[.app] ?? 0)
        }
    }

    /// Process ids that are counted.
    private static let pidLimit = 1024
    /// A response held for less than this was not held by anybody: the socket's own clocks are no finer.
    private static let heldLimit: Int64 = 1_000_000

    init(_ server: Server?, port: UInt16) {
        report = ServerReport(port: port)
        report.comm = server?.comm
        report.executable = server?.executable
        report.cgroup = server?.cgroup
    }

    /// All its responses.
    var responses: Int64 { report.excluded + report.adopted + plain.count + streaming.count + report.open.count }

    mutating func add(_ response: borrowing Response, anchor: ClockAnchor) {
        if let pid = response.server?.pid, pid != lastPid { add(pid: pid) }
        report.inFlightMax = max(report.inFlightMax, response.inFlight.max)
        report.flushes = report.flushes.sum(with: response.flushes)
        report.requestBytes = report.requestBytes.sum(with: response.requestBytes)
        report.responseBytes = report.responseBytes.sum(with: response.responseBytes)
        if hasFlushes { queue.forget(connection: response.connection.cookie) }
        if response.state == .open { addOpen(response, anchor) } else { addEnded(response, anchor) }
    }

    private mutating func add(pid: Int32) {
        lastPid = pid
        if pids.count < Self.pidLimit { pids.insert(pid) }
    }

    private mutating func addOpen(_ response: borrowing Response, _ anchor: ClockAnchor) {
        report.open.count += 1
        report.open.oldest = max(report.open.oldest, response.duration)
        report.open.times.merge(response.timeline)
        report.open.unsentBytesMax = max(report.open.unsentBytesMax, response.pressure.unsentBytesMax)
        report.open.causes.merge(response.causes)
        if !response.missesEvents { addFlushes(of: response, anchor) }
    }

    private mutating func addEnded(_ response: borrowing Response, _ anchor: ClockAnchor) {
        if let ending = response.endedBy { endings[ending, default: 0] += 1 }
        statuses[min(9, (response.status ?? 0) / 100)] += 1
        guard !response.missesEvents else { return report.excluded += 1 }
        guard !response.isAdopted else {
            report.adopted += 1
            return addFlushes(of: response, anchor)
        }
        if response.isEstimated { report.estimated += 1 }
        if response.isStreaming { streaming.add(response) } else { plain.add(response) }
        addFlushes(of: response, anchor)
        if lastTarget.target != response.target || lastTarget.method != response.method {
            let name = TargetGroup.name(method: response.method, target: response.target)
            lastTarget = (response.method, response.target, name)
        }
        let name = lastTarget.name
        targets.update(name, initial: TargetReport(name: name)) { [duration = response.duration] target in
            target.duration.add(duration)
            target.times.merge(response.timeline)
            if response.status ?? 0 >= 400 { target.errors += 1 }
        }
    }

    /// What is told of open responses too: flushes that are delivered, who is slow now, and what holds it.
    private mutating func addFlushes(of response: borrowing Response, _ anchor: ClockAnchor) {
        paces[response.isStreaming ? 1 : 0].add(response)
        report.delivery.merge(response.delivery)
        let weight = RankedResponse.weight(of: response)
        if slowest.threshold.map({ $0.weight <= weight }) ?? true {
            slowest.add(RankedResponse(response: ToldResponse(response, anchor: anchor), weight: weight))
        }
        report.causes.merge(response.causes)
        addPeer(of: response)
    }

    private mutating func addPeer(of response: borrowing Response) {
        let held = response.causes.total
        guard held >= Self.heldLimit else { return }
        let remote = response.connection.remote
        peers.update(remote.host, initial: PeerReport(host: remote.host)) { peer in
            peer.responses += 1
            peer.held = peer.held.sum(with: held)
            peer.causes.merge(response.causes)
            peer.unsentBytesMax = max(peer.unsentBytesMax, response.pressure.unsentBytesMax)
            if held > peer.worstHeld { (peer.worst, peer.worstHeld) = (remote, held) }
        }
    }

    mutating func add(_ flush: Flush) {
        hasFlushes = true
        queue.add(flush)
    }

    func finished() -> ServerReport {
        var report = report
        report.pids = pids.sorted()
        report.processes = pids.count
        report.timelines = [plain, streaming].filter { $0.count > 0 }.map { $0.finished() }
        report.paces = paces.filter { $0.timeToFirstFlush.count + $0.gapSent.count > 0 }
        report.endings = endings.map { EndingCount(ending: $0.key, count: $0.value) }
            .sorted { ($1.count, $0.ending.rawValue) < ($0.count, $1.ending.rawValue) }
        report.statuses = statuses.indices.filter { statuses[$0] > 0 }
            .map { StatusCount(hundreds: $0, count: statuses[$0]) }
        report.slowest = slowest.sorted.map(\.response)
        let peers = peers.split(keeping: ReportBuilder.rows)
        report.peers = peers.kept.map(\.1)
        report.otherPeers = peers.others
        report.otherPeers?.host = nil
        let targets = targets.split(keeping: ReportBuilder.rows)
        report.targets = targets.kept.map(\.1)
        report.otherTargets = targets.others
        report.otherTargets?.name = nil
        if hasFlushes { report.queue = queue.rows.filter { $0.flushes > 0 } }
        return report
    }
}

extension DeliveryDistributions {
    fileprivate mutating func merge(_ other: DeliveryDistributions) {
        send.merge(other.send)
        queue.merge(other.queue)
        qdisc.merge(other.qdisc)
        driver.merge(other.driver)
        network.merge(other.network)
        total.merge(other.total)
    }
}

extension TargetReport {
    fileprivate mutating func merge(_ other: TargetReport) {
        duration.merge(other.duration)
        times.merge(other.times)
        errors += other.errors
    }
}

extension PeerReport {
    fileprivate mutating func merge(_ other: PeerReport) {
        responses += other.responses
        held = held.sum(with: other.held)
        causes.merge(other.causes)
        unsentBytesMax = max(unsentBytesMax, other.unsentBytesMax)
        if other.worstHeld > worstHeld { (worst, worstHeld) = (other.worst, other.worstHeld) }
    }
}
