// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceDashboard
import TailraceModel
import TailraceOutput

/// The daemon's run, looked at while it goes on: what happened before we looked is known too.
final class TopRemote {
    private let client: DaemonClient
    private let screen: TopScreen
    private let interval: Nanoseconds
    private let files: SavedFile
    private let recorder: RemoteRecorder
    private var nextLook: Nanoseconds = 0
    private var isQuitting = false
    /// A question that was changed by a key is asked again after so long, ns.
    private static let haste: Nanoseconds = 100_000_000

    init(_ client: DaemonClient, screen: TopScreen, interval: Nanoseconds, files: SavedFile) {
        (self.client, self.screen, self.interval, self.files) = (client, screen, interval, files)
        recorder = RemoteRecorder(client)
    }

    /// Until a key ends it.
    ///
    /// - Throws: what `DaemonClient` throws: the daemon is gone.
    func show() throws {
        var asked: SnapshotRequest?
        while !isQuitting {
            let now = readClock(CLOCK_MONOTONIC)
            if let asked, asked != screen.state.request { nextLook = min(nextLook, now + Self.haste) }
            if now >= nextLook {
                nextLook = now + interval
                asked = screen.state.request
                try look(at: now)
            }
            for action in screen.wait(20_000_000) { take(action) }
            if let sentence = recorder.tick() { screen.say(sentence, at: now) }
        }
        screen.leave()
        if let sentence = recorder.end() { complain(sentence) }
    }

    private func look(at now: Nanoseconds) throws {
        let request = SnapshotLine.text(screen.state.request)
        var snapshot = try client.snapshot("/v1/top?request=" + request.percentEncoded)
        snapshot.facts.message = screen.message(at: now)
        snapshot.facts.recordingFile = recorder.file
        screen.show(snapshot)
    }

    private func take(_ action: InterfaceAction) {
        let now = readClock(CLOCK_MONOTONIC)
        switch action {
        case .quit: isQuitting = true
        case .record: screen.say(recorder.toggle { files.name(wall: ClockAnchor.now().wall, ending: ".trc") }, at: now)
        case .exportView: save(screen.viewJSON, "what is shown", now)
        case .exportRow: save(screen.rowJSON, "the selected row", now)
        default: break
        }
    }

    private func save(_ bytes: [UInt8]?, _ what: String, _ now: Nanoseconds) {
        guard let bytes else { return screen.say("nothing is selected, so nothing was saved", at: now) }
        screen.say(files.save(bytes, what: what, wall: ClockAnchor.now().wall(at: now)), at: now)
    }
}

extension DaemonClient {
    /// What is shown at this moment, by a daemon of this version.
    func snapshot(_ target: String) throws -> Snapshot {
        guard let snapshot = SnapshotLine.snapshot(try get(target)) else {
            throw Failure(
                "the daemon at \(Sanitizer.visible(path)) is not of this version (\(Tailrace.version)); "
                    + "restart it, or use the tailrace that it was installed with")
        }
        return snapshot
    }
}

/// The key `R` where the daemon traces: its stream, recorded.
final class RemoteRecorder {
    private let client: DaemonClient
    private var run: DaemonRun?
    private var writer: RecordingWriter<HeadRedactor>?
    /// The file that is being written; nil: none is.
    private(set) var file: String?
    private var said: [String] = []
    /// Largest recording, bytes.
    private static let longest: UInt64 = 1 << 30

    init(_ client: DaemonClient) { self.client = client }

    /// Begins to record to what `path` gives, or ends the recording. What to say of it.
    func toggle(path: () -> String) -> String {
        if file != nil { return end() ?? "" }
        let path = path()
        do {
            let run = try DaemonRun(client, target: Target(), tellsFlushes: false)
            let writer = try RecordingWriter(
                path: path, description: run.recordingDescription, longest: Self.longest, redactor: HeadRedactor(),
                say: { [weak self] in self?.said.append($0) })
            run.tap = writer
            (self.run, self.writer, file) = (run, writer, path)
            return "recording to \(path); R ends it"
        } catch {
            return "cannot record: \(error)"
        }
    }

    /// Takes what came. What is to be said; nil: nothing.
    func tick() -> String? {
        guard let run, let writer else { return nil }
        do { try run.drain { _ in } } catch { said.append("\(error)") }
        writer.tick(at: run.now, anchor: run.anchor, loss: run.loss)
        if run.isAtEnd { return end() }
        return said.popLast()
    }

    /// Writes the end of what is being recorded. What to say of it; nil: nothing is.
    func end() -> String? {
        guard let run, let writer, let path = file else { return nil }
        writer.finish(at: run.now, anchor: run.anchor, loss: run.loss())
        (self.run, self.writer, file) = (nil, nil, nil)
        let summary = writer.summary
        var words = "\(summary.records) records in \(Quantity.size(Int64(summary.bytes))): \(path)"
        if summary.dropped > 0 { words += "; \(summary.dropped) records were dropped and are not in it" }
        return words
    }
}
