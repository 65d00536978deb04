// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// The key `R`: records from here on, until it is pressed again or the run ends.
final class TopRecorder {
    private let run: TracingRun
    private let target: Target
    private let late: LateRecording
    private var writing: (writer: RecordingWriter<HeadRedactor>, handle: LateRecording.Handle)?
    /// Largest recording, bytes.
    private static let longest: UInt64 = 1 << 30
    /// The file that is being written; nil: none is.
    private(set) var file: String?
    /// Says one sentence to the user.
    var say: (String) -> Void = complain

    /// Sees every record from here on.
    init(_ run: TracingRun, target: Target, mostSockets: Int) {
        self.run = run
        self.target = target
        late = LateRecording(mostSockets: mostSockets)
        run.source.tap = late
    }

    /// After each drain.
    func tick(at now: Nanoseconds) { late.tick(at: now, anchor: run.anchor, loss: run.loss) }

    /// Begins to record to `path`, or ends the recording.
    func toggle(path: String) {
        if file != nil { return end() }
        let description = RecordingDescription(
            version: Tailrace.version, facts: run.facts, backend: run.source.backend, target: target)
        do {
            let writer = try RecordingWriter(
                path: path, description: description, longest: Self.longest, redactor: HeadRedactor(),
                say: { [weak self] in self?.say($0) })
            writing = (writer, late.begin(writer, at: description.anchor.monotonic))
            file = path
            say("recording to \(path); R ends it")
        } catch {
            say(error.description)
        }
    }

    /// Writes the end of what is being recorded.
    func end() {
        guard let (writer, handle) = writing, let path = file else { return }
        (file, writing) = (nil, nil)
        late.end(handle)
        writer.finish(at: run.now, anchor: run.anchor, loss: run.loss())
        let summary = writer.summary
        var words = "\(summary.records) records in \(Quantity.size(Int64(summary.bytes))): \(path)"
        if summary.dropped > 0 { words += "; \(summary.dropped) records were dropped and are not in it" }
        say(words)
    }
}
