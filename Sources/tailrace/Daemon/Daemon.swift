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
    var settings: DaemonConfiguration
    private let file: String?
    let service: Service
    private let inbox = Inbox()
    private var signals: DaemonSignals
    var builder: SnapshotBuilder
    var metrics: MetricsBuilder
    var feeds: LiveFeeds
    var recordingFeeds = RecordingFeeds()
    let hub: LateRecording
    var flight: FlightRecorder<HeadRedactor>?
    var export: TelemetryExport?
    var breaker: Breaker
    var cost: OwnCost
    var facts: RunFacts
    /// The newest of each server, by process.
    var samples: [Int32: ServerSample] = [:]
    let begin: ClockAnchor
    private var nextSecond: Nanoseconds = 0
    private(set) var cgroupNumbers: [UInt64?] = []
    private var toldLoss = Loss()
    var recentLoss = RecentLoss()
    private var exportOutage = Outage()
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
        if !settings.showsPaths { run.source.hide(with: HeadRedactor(hidingPaths: true)) }
        cgroupNumbers = Target(settings).cgroupNumbers
        begin = run.anchor
        builder = SnapshotBuilder(limits: settings.thresholds)
        metrics = MetricsBuilder(begin: begin.monotonic)
        feeds = LiveFeeds(run.description)
        breaker = Breaker(limits: .init(share: settings.cpuLimit, bytes: settings.memoryLimit))
        cost = OwnCost(at: begin.monotonic)
        export = try TelemetryExport(settings, run: run.description)
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
            makeDirectory(of: settings.socket, group: group)
            try service.listen(socket: settings.socket, group: group)
        }
        if let (address, port) = ConfigurationKey.address(settings.metricsListen) {
            try service.listen(address: address, port: Int(port))
        }
    }

    /// The last part of the way to the socket, as a service manager would make it; where that cannot be, binding says why.
    private static func makeDirectory(of socket: String, group: UInt32?) {
        let directory = String(socket[..<(socket.lastIndex(of: "/") ?? socket.startIndex)])
        guard !directory.isEmpty, mkdir(directory, 0o750) == 0, let group else { return }
        chown(directory, uid_t.max, group)
    }

    /// Until somebody ends it. `isReady`: called once it serves.
    func run(isReady: () throws -> Void) throws {
        // Its process keeps the right to read memory, and is begun before this one gives up all of them.
        if settings.readsTasks { try run.readTasks(of: taskOptions) }
        cost.helpers = run.helpers
        try Capabilities.dropAll()
        flight = try flightRecorder()
        try service.serve()
        export?.start()
        for cgroup in missingCgroups { complain(Self.sentence(missing: cgroup)) }
        try isReady()
        Systemd.notify("READY=1\nSTATUS=\(status)")
        run.pause = { [unowned self] in pause($0) }
        try run.run(tell: { [self] in tell($0) }, afterDrain: { [self] in afterDrain() }, isDone: { false })
        Systemd.notify("STOPPING=1")
        feeds.end()
        recordingFeeds.end(hub, at: run.now, anchor: run.anchor, loss: run.loss())
        flight?.finish(at: run.now, anchor: run.anchor, loss: run.loss())
        service.stop()
        let last = metricSet(at: run.now)
        export?.end(anchor: run.anchor, metrics: last)
        complain("ended; \(run.loss().words)", .info)
    }

    /// nil: none is kept.
    private func flightRecorder() throws -> FlightRecorder<HeadRedactor>? {
        guard !settings.flightDirectory.isEmpty else { return nil }
        var limits = FlightLimits()
        limits.bytes = UInt64(settings.flightSize)
        limits.pinnedBytes = UInt64(settings.flightPinnedSize)
        limits.segment = settings.flightSegment
        return try FlightRecorder(
            path: settings.flightDirectory, limits: limits, description: run.recordingDescription, late: hub,
            redactor: HeadRedactor(), anchor: run.anchor, say: complain)
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
        export?.take(actions, told, isWhole: breaker.level < .noStreams)
        for finding in told.findings { tell(finding) }
    }

    /// Servers that no look meets any more.
    private func forgetServers(at now: Nanoseconds) {
        samples = samples.filter { now - $0.value.at < 10_000_000_000 }
    }

    private func tell(_ finding: Finding) {
        flight?.take(finding)
        guard finding.state != .updated, finding.severity > .notice else { return }
        complain(
            "\(finding.state.rawValue): \(finding.anomaly.rawValue): \(Sanitizer.visible(finding.summary))",
            finding.state == .closed ? .info : finding.severity == .critical ? .error : .warning)
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
        export?.tick(at: now, anchor: run.anchor)
        if export?.wantsMetrics(at: now) == true {
            let metrics = metricSet(at: now)
            export?.send(metrics, at: now)
        }
        for request in inbox.take() { requests.answer(request, self, at: now) }
    }

    private func eachSecond(at now: Nanoseconds) {
        facts.loss = run.loss()
        recentLoss.take(facts.loss, at: now)
        facts.anchor = run.anchor
        if cost.helpers != run.helpers { cost.helpers = run.helpers }
        if let export, let change = exportOutage.take(export.account.failure) {
            complain(Self.sentence(change), change == .ended ? .info : .warning)
        }
        if let measured = cost.measure(at: now, events: facts.loss.delivered) {
            (facts.ownShare, facts.eventsPerSecond) = (measured.share, measured.eventsPerSecond)
            facts.ownBytes = cost.residentBytes
            if let sentence = breaker.take(share: facts.ownShare, bytes: cost.ownBytes, at: now) {
                complain(sentence)
                giveUp(breaker.level, at: now)
                feeds.tell(breaker.level, at: run.anchor.wall(at: now))
            }
        }
        if facts.loss.unseen > toldLoss.unseen {
            toldLoss = facts.loss
            complain(toldLoss.words)
            feeds.tell(toldLoss, at: run.anchor.wall(at: now))
        }
        if !settings.cgroups.isEmpty, breaker.level < .noConnections { followCgroups() }
        feeds.tick(at: now)
        requests.forget(at: now)
        recordingFeeds.tick(hub)
        Systemd.notify("WATCHDOG=1\nSTATUS=\(status)")
    }

    /// Where most of what it takes is to look at ten thousand sockets, ns.
    private static let longLookInterval: Nanoseconds = 2_000_000_000

    /// What a level of detail leaves out, is left out from now on; what it does not, is done again.
    private func giveUp(_ level: DetailLevel, at now: Nanoseconds) {
        if level >= .noStreams { endRecordings(at: now) }
        run.lookInterval = level >= .fewLooks ? Self.longLookInterval : TracingRun.usualLookInterval
        run.pauseTasks(level >= .noTasks)
        flight?.isPaused = level >= .noFlight
        do { try choose(level >= .noConnections ? .nothing : Target(settings)) } catch { complain("\(error)") }
    }

    /// Another target, where it is another, or where its cgroups are others.
    private func choose(_ target: Target) throws {
        let numbers = target.cgroupNumbers
        guard target != run.target || numbers != cgroupNumbers else { return }
        try run.retarget(to: target)
        cgroupNumbers = numbers
        flight?.description.target = target
    }

    /// A cgroup that is made anew, as a restarted service's is, has another number. One that is gone is told once.
    private func followCgroups() {
        let target = Target(settings)
        let numbers = target.cgroupNumbers
        guard numbers != cgroupNumbers else { return }
        do { try choose(target) } catch {
            cgroupNumbers = numbers
            complain("\(error)")
        }
    }

    private var status: String {
        "tracing \(facts.target) by \(facts.backend): \(run.connections) connections; \(facts.loss.words); "
            + "\(Quantity.percent(facts.ownShare)) of a core; \(breaker.level.words)"
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
            try apply(new.untilRestart(from: settings))
            if fixed.isEmpty { complain("the settings were read again", .info) }
        } catch {
            complain("the settings stay as they were: \(error)", .error)
        }
    }

    private func apply(_ new: DaemonConfiguration) throws {
        if breaker.level < .noConnections { try choose(Target(new)) }
        if new.thresholds != settings.thresholds { builder.limits = new.thresholds }
        breaker.limits = .init(share: new.cpuLimit, bytes: new.memoryLimit)
        export?.set(new)
        settings = new
        feeds.run = description
        facts.target = Target(new).description
    }
}
