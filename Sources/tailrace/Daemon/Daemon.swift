// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput
import TailraceService

/// The tracer as a service. One thread drains, follows, answers; others only carry bytes to clients and from them.
final class Daemon {
    let run: TracingRun
    private(set) var settings: DaemonConfiguration
    private let file: String?
    private let service: Service
    private let inbox = Inbox()
    private var signals: DaemonSignals
    private(set) var builder: SnapshotBuilder
    private var metrics: MetricsBuilder
    private(set) var feeds: LiveFeeds
    private(set) var recordingFeeds = RecordingFeeds()
    private let hub: LateRecording
    private let flight: DaemonFlight?
    private var breaker: Breaker
    private var cost: OwnCost
    private(set) var facts: RunFacts
    /// The newest of each server, by process.
    private(set) var samples: [Int32: ServerSample] = [:]
    let begin: ClockAnchor
    private var nextSecond: Nanoseconds = 0
    private var toldLoss = Loss()
    private var requests = RequestDesk()

    /// Binds, loads and attaches: everything that needs a right.
    init(_ settings: DaemonConfiguration, file: String?, backend: Backend?) throws {
        self.settings = settings
        self.file = file
        signals = DaemonSignals()
        service = Service(inbox: inbox)
        try Self.listen(service, settings)
        run = try TracingRun(
            target: Target(settings), backend: backend, ringBytes: UInt32(settings.ringBytes),
            maxConnections: settings.maxConnections, tellsFlushes: true, isPatient: true)
        hub = LateRecording(mostSockets: Int(settings.maxConnections))
        run.tap = hub
        begin = run.anchor
        flight = DaemonFlight(settings, run.recordingDescription, hub, ClockAnchor.now())
        builder = SnapshotBuilder(limits: settings.thresholds)
        metrics = MetricsBuilder(begin: begin.monotonic)
        feeds = LiveFeeds(run.description)
        breaker = Breaker(limits: .init(share: settings.cpuLimit, bytes: settings.memoryLimit))
        cost = OwnCost(at: begin.monotonic)
        facts = RunFacts(run.description, target: Target(settings).description)
    }

    private static func listen(_ service: Service, _ settings: DaemonConfiguration) throws {
        if !settings.socket.isEmpty {
            let group = UInt32(settings.socketGroup) ?? GroupFile.number(of: settings.socketGroup)
            if group == nil {
                complain(
                    "there is no group \(Sanitizer.visible(settings.socketGroup)): only root and this user may ask; "
                        + "make it (groupadd --system), or set socket-group")
            }
            try service.listen(socket: settings.socket, group: group)
        }
        if let (address, port) = ConfigurationKey.address(settings.metricsListen) {
            try service.listen(address: address, port: Int(port))
        }
    }

    /// Until somebody ends it. `isReady`: called once it serves.
    func run(isReady: () throws -> Void) throws {
        try Capabilities.dropAll()
        if settings.readsTasks { try run.readTasks(of: taskOptions) }
        try service.serve()
        try isReady()
        Systemd.notify("READY=1\nSTATUS=\(status)")
        run.pause = { [unowned self] in pause($0) }
        try run.run(tell: { [self] in tell($0) }, afterDrain: { [self] in afterDrain() }, isDone: { false })
        Systemd.notify("STOPPING=1")
        recordingFeeds.end(hub, at: run.now, anchor: run.anchor, loss: run.loss())
        flight?.end(at: run.now, anchor: run.anchor, loss: run.loss())
        service.stop()
        complain("ended; \(run.loss().words)")
    }

    private var taskOptions: TargetOptions {
        get throws {
            var words: [String] = []
            for port in settings.ports { words += ["--port", "\(port)"] }
            for comm in settings.comms { words += ["--comm", comm] }
            for pid in settings.pids { words += ["--pid", "\(pid)"] }
            if !settings.taskProbe.isEmpty { words += ["--task-probe", settings.taskProbe] }
            return try TargetOptions.parse(words)
        }
    }

    private func tell(_ actions: borrowing Actions) {
        let told = builder.take(actions)
        metrics.take(actions, told: told)
        for sample in told.samples { samples[sample.server.pid] = sample }
        if let look = actions.look { forgetServers(at: look.at) }
        if !feeds.isEmpty { feeds.tell(actions, told, anchor: run.anchor, isWhole: breaker.level < .noStreams) }
        for finding in told.findings { tell(finding) }
    }

    /// Servers that no look meets any more.
    private func forgetServers(at now: Nanoseconds) {
        samples = samples.filter { now - $0.value.at < 10_000_000_000 }
    }

    private func tell(_ finding: Finding) {
        flight?.take(finding)
        guard finding.state != .updated, finding.severity > .notice else { return }
        complain("\(finding.state.rawValue): \(finding.anomaly.rawValue): \(Sanitizer.visible(finding.summary))")
    }

    /// True ends the run.
    private func pause(_ time: Nanoseconds) -> Bool {
        switch signals.wait(time) {
        case .end?: return true
        case .readAgain?: readAgain()
        case nil: break
        }
        return false
    }

    private func afterDrain() {
        let now = run.now
        hub.tick(at: now, anchor: run.anchor, loss: run.loss)
        if now >= nextSecond {
            nextSecond = now + 1_000_000_000
            eachSecond(at: now)
        }
        for request in inbox.take() { requests.answer(request, self, at: now) }
    }

    private func eachSecond(at now: Nanoseconds) {
        facts.loss = run.loss()
        facts.anchor = run.anchor
        if let measured = cost.measure(at: now, events: facts.loss.delivered) {
            (facts.ownShare, facts.eventsPerSecond) = (measured.share, measured.eventsPerSecond)
            facts.ownBytes = OwnCost.residentBytes()
            if let sentence = breaker.take(share: facts.ownShare, bytes: facts.ownBytes, at: now) {
                complain(sentence)
                if breaker.level >= .noStreams { endRecordings(at: now) }
            }
        }
        if facts.loss.unseen > toldLoss.unseen {
            toldLoss = facts.loss
            complain(toldLoss.words)
            feeds.tell(toldLoss, at: run.anchor.wall(at: now))
        }
        feeds.tick(at: now)
        recordingFeeds.tick(hub)
        flight?.tick(
            isWanted: breaker.level < .noFlight, run.recordingDescription, at: now, anchor: run.anchor, loss: facts.loss
        )
        Systemd.notify("WATCHDOG=1\nSTATUS=\(status)")
    }

    private var status: String {
        "tracing \(facts.target) by \(facts.backend): \(run.connections) connections; \(facts.loss.words); "
            + "\(Quantity.percent(facts.ownShare)) of a core; \(breaker.level.meaning)"
    }

    /// SIGHUP.
    private func readAgain() {
        Systemd.notify("RELOADING=1\nMONOTONIC_USEC=\(run.now / 1000)")
        defer { Systemd.notify("READY=1\nSTATUS=\(status)") }
        do {
            let new = try DaemonCommand.settings(in: file)
            let fixed = new.needsRestart(from: settings)
            if !fixed.isEmpty {
                complain("\(fixed.joined(separator: ", ")) changed: that needs a new start, the rest is in force now")
            }
            try apply(new)
            if fixed.isEmpty { complain("the settings were read again") }
        } catch {
            complain("the settings stay as they were: \(error)")
        }
    }

    private func apply(_ new: DaemonConfiguration) throws {
        let target = Target(new)
        if target != Target(settings) { try run.retarget(to: target) }
        if new.thresholds != settings.thresholds { builder.limits = new.thresholds }
        breaker.limits = .init(share: new.cpuLimit, bytes: new.memoryLimit)
        facts.target = target.description
        settings = new
    }

    // What clients ask for.

    /// As it stands now.
    func snapshot(_ request: SnapshotRequest, at now: Nanoseconds) -> Snapshot {
        facts.loss = run.loss()
        facts.anchor = run.anchor
        for census in run.censuses(asks: request.wantsTaskGroups) { builder.take(census, at: now) }
        return builder.snapshot(at: now, facts: facts, request: request) { [run] in run.openResponsesWithFlushes(on: $0)
        }
    }

    func metricSet(at now: Nanoseconds) -> MetricSet { metrics.metrics(at: now, facts: facts, account: account) }

    func listen(_ feed: Feed, kinds: Set<LiveFeeds.Kind>, isLines: Bool) {
        feeds.add(feed, kinds: kinds, isLines: isLines)
    }

    /// Why not, in one sentence; nil: from now on it is given what belongs to `target`.
    func record(_ request: ServiceRequest, _ target: Target) -> String? {
        guard breaker.level < .noStreams else { return "the daemon has given up detail: \(breaker.level.meaning)" }
        guard recordingFeeds.count < RecordingFeeds.most else {
            return "\(RecordingFeeds.most) clients read along already; end one of them"
        }
        let feed = request.stream(type: RequestDesk.recordingType)
        do throws(CaptureError) {
            try recordingFeeds.add(feed, target, run.recordingDescription, hub, at: run.now)
        } catch { complain(error.description) }
        return nil
    }

    private func endRecordings(at now: Nanoseconds) {
        recordingFeeds.end(hub, at: now, anchor: run.anchor, loss: facts.loss)
    }

    /// Of ourselves.
    var account: DaemonAccount {
        var account = DaemonAccount()
        account.version = Tailrace.version
        (account.kernel, account.backend) = (facts.kernel, facts.backend)
        account.started = begin.wall
        account.processorTime = OwnCost.used()
        account.residentBytes = OwnCost.residentBytes()
        account.loss = run.loss()
        account.unattributed = run.unattributed
        account.connections = Int64(run.connections)
        account.probes = run.source.attached.map { .init($0, isAttached: true) }
        account.service = .init(service.account)
        account.flight = flight.map { .init($0.account) }
        account.breaker = .init(level: breaker.level.rawValue, name: breaker.level.name, changes: breaker.steps)
        return account
    }
}

extension Target {
    init(_ settings: DaemonConfiguration) {
        self.init()
        (ports, pids, comms, cgroups) = (settings.ports, settings.pids, settings.comms, settings.cgroups)
    }
}

extension DaemonAccount.ServiceCounts {
    init(_ account: ServiceAccount) {
        self.init()
        accepted = account.accepted
        refusedUsers = account.refusedUsers
        refusedForRoom = account.refusedClients
        droppedSlow = account.dropped
        malformed = account.malformed
        timedOut = account.timedOut + account.idled
        open = Int64(account.open)
    }
}
