// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceDashboard
import TailraceModel
import TailraceOutput

/// A traced run, looked at while it goes on.
final class TopLive {
    private let run: TracingRun
    private let screen: TopScreen
    private let interval: Nanoseconds
    private let files: SavedFile
    private var builder: SnapshotBuilder
    private var cost: OwnCost
    private var facts: RunFacts
    private let recorder: TopRecorder
    private var nextSnapshot: Nanoseconds = 0
    private var isQuitting = false
    /// Our own share of a core is a mean over so long, ns: looks at all sockets come once a second, pictures twice.
    private static let costSpan: Nanoseconds = 5_000_000_000

    init(
        _ run: TracingRun, target: Target, screen: TopScreen, interval: Nanoseconds,
        limits: Thresholds, files: SavedFile, recorder: TopRecorder
    ) {
        self.run = run
        self.screen = screen
        self.interval = interval
        self.files = files
        self.recorder = recorder
        builder = SnapshotBuilder(limits: limits)
        cost = OwnCost(at: run.now, meanOver: Self.costSpan)
        cost.helpers = run.helpers
        facts = RunFacts(run.description, target: target.description)
    }

    /// Until a key or a signal ends it.
    func show() throws {
        recorder.say = { [screen, run] in screen.say($0, at: run.now) }
        run.pause = { [unowned self] in pause($0) }
        look(at: run.now)
        try run.run(tell: { [self] in builder.take($0) }, afterDrain: afterDrain, isDone: { false })
    }

    /// True ends the run.
    private func pause(_ time: Nanoseconds) -> Bool {
        for action in screen.wait(time) { take(action) }
        if isQuitting { screen.leave() }
        return isQuitting
    }

    private func afterDrain() {
        let now = run.now
        recorder.tick(at: now)
        if now >= nextSnapshot, !isQuitting { look(at: now) }
    }

    private func look(at now: Nanoseconds) {
        // From the clock and not from the last time: what took long is not followed by a burst.
        nextSnapshot = now + interval
        facts.loss = run.loss()
        facts.anchor = run.anchor
        if let measured = cost.measure(at: now, events: facts.loss.delivered) {
            facts.ownShare = measured.share
            facts.eventsPerSecond = measured.eventsPerSecond
            facts.ownBytes = cost.residentBytes
        }
        facts.recordingFile = recorder.file
        for census in run.censuses(asks: screen.state.request.wantsTaskGroups) { builder.take(census, at: now) }
        facts.message = screen.message(at: now)
        screen.show(
            builder.snapshot(at: now, facts: facts, request: screen.state.request) { [run] in
                run.openResponsesWithFlushes(on: $0)
            })
    }

    private func take(_ action: InterfaceAction) {
        switch action {
        case .quit: isQuitting = true
        case .record:
            let path = files.name(wall: run.anchor.wall(at: run.now), ending: ".trc")
            recorder.toggle(path: path)
            look(at: run.now)
        case .exportView: save(screen.viewJSON, "what is shown")
        case .exportRow: save(screen.rowJSON, "the selected row")
        default: break
        }
    }

    private func save(_ bytes: [UInt8]?, _ what: String) {
        guard let bytes else { return screen.say("nothing is selected, so nothing was saved", at: run.now) }
        screen.say(files.save(bytes, what: what, wall: run.anchor.wall(at: run.now)), at: run.now)
    }
}

extension RunFacts {
    init(_ run: RunDescription, target: String) {
        self.init()
        host = run.host
        kernel = run.kernel
        backend = run.backend
        anchor = run.anchor
        self.target = target
    }
}
