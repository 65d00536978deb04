// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput
import TailraceService

/// What clients ask for.
extension Daemon {
    /// As it stands now.
    func snapshot(_ request: SnapshotRequest, at now: Nanoseconds) -> Snapshot {
        facts.loss = run.loss()
        facts.recentlyUnseen = recentLoss.of(facts.loss, at: now).unseen
        (facts.anchor, facts.detail) = (run.anchor, breaker.level)
        for census in run.censuses(asks: request.wantsTaskGroups) { builder.take(census, at: now) }
        return builder.snapshot(at: now, facts: facts, request: request) { [run] in run.openResponsesWithFlushes(on: $0)
        }
    }

    /// Of the run, with what is to be traced, also while nothing is.
    var description: RunDescription {
        var description = run.description
        (description.ports, description.pids) = (settings.ports, settings.pids)
        (description.comms, description.cgroups) = (settings.comms, settings.cgroups)
        return description
    }

    func metricSet(at now: Nanoseconds) -> MetricSet { metrics.metrics(at: now, facts: facts, account: account) }

    func listen(_ feed: Feed, kinds: Set<LiveFeeds.Kind>, isLines: Bool) {
        feeds.add(feed, kinds: kinds, isLines: isLines, at: run.anchor.wall(at: run.now))
    }

    /// Why not, in one sentence; nil: from now on it is given what belongs to `target`.
    func record(_ request: ServiceRequest, _ target: Target) -> String? {
        guard breaker.level < .noStreams else { return "the daemon has given up detail: \(breaker.level.words)" }
        if let sentence = recordingFeeds.refusal(of: request.peer) { return sentence }
        let feed = request.stream(type: RequestDesk.recordingType)
        do throws(CaptureError) {
            try recordingFeeds.add(
                feed, of: request.peer, target, run.recordingDescription, hub, loss: run.loss(), at: run.now)
        } catch { complain(error.description) }
        return nil
    }

    func endRecordings(at now: Nanoseconds) {
        recordingFeeds.end(hub, at: now, anchor: run.anchor, loss: facts.loss)
    }

    /// Of ourselves.
    var account: DaemonAccount {
        var account = DaemonAccount()
        account.version = Tailrace.version
        (account.kernel, account.backend) = (facts.kernel, facts.backend)
        account.started = begin.wall
        account.processorTime = cost.used
        account.residentBytes = cost.residentBytes
        account.loss = run.loss()
        account.unattributed = run.unattributed
        account.connections = Int64(run.connections)
        account.probes = run.source.attached.map { .init($0, isAttached: true) }
        account.service = .init(service.account)
        account.flight = flight?.account
        account.taskReader = run.taskReader
        account.otlp = export?.account
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
