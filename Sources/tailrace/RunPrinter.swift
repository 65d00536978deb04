// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// Writes what a run tells, live or replayed, in one format.
final class RunPrinter {
    private let run: any ResponseRun
    private let format: any ResponseFormat
    private var output: Output
    private var end = RunEnd()
    private var shownLoss = Loss()
    private var watch: Watch
    private var nextLossCheck: Nanoseconds = 0

    /// Nothing is written yet.
    init(
        run: any ResponseRun, format: any ResponseFormat, limits: Thresholds = Thresholds(),
        output: Output = Output(STDOUT_FILENO)
    ) {
        watch = Watch(limits: limits)
        self.run = run
        self.format = format
        self.output = output
    }

    /// Goes through the run, from the first line to the last.
    ///
    /// - Parameter isReady: called when the first line is written, before anything is told.
    /// - Throws: `Failure` where the output cannot be written, and what the run throws.
    func print(isReady: () throws -> Void = {}) throws {
        output.append(format.begin())
        try output.flush()
        try isReady()
        try run.run(tell: tell, afterDrain: flush)
        try finish()
    }

    private func tell(_ actions: borrowing Actions) {
        if let flush = actions.flush {
            end.counts.flushes += 1
            output.append(format.flush(flush, anchor: run.anchor))
        }
        let told = watch.take(actions)
        for sample in told.samples { output.append(format.sample(sample, anchor: run.anchor)) }
        for finding in told.findings {
            if finding.state == .opened { end.counts.findings += 1 }
            output.append(format.finding(finding, anchor: run.anchor))
        }
        for index in actions.settled.indices {
            end.counts.responses += 1
            output.append(format.response(actions.settled[index], anchor: run.anchor))
        }
    }

    /// What was told leaves, and a loss that grew is said next to it.
    private func flush() throws {
        let now = run.now
        if now >= nextLossCheck {
            nextLossCheck = now + 1_000_000_000
            let loss = run.loss()
            if loss.unseen + loss.unrecorded > shownLoss.unseen + shownLoss.unrecorded {
                shownLoss = loss
                output.append(format.loss(loss, at: run.anchor.wall(at: now)))
                if !format.tellsLoss { complain(loss.words) }
            }
        }
        try output.flush()
    }

    private func finish() throws {
        for response in run.openResponses() {
            end.counts.open += 1
            output.append(format.response(response, anchor: run.anchor))
        }
        end.loss = run.loss()
        end.unattributed = run.unattributed
        end.counts.connections = run.connections
        end.recording = run.recording.map { RecordingEnd($0) }
        end.wall = run.anchor.wall(at: run.now)
        output.append(format.end(end))
        try output.flush()
        try output.close()
        var words = "\(end.counts.responses) responses ended, \(end.counts.open) open; \(end.loss.words)"
        if let recording = end.recording { words += "; the recording: " + recording.words }
        complain(words)
    }
}

extension RecordingEnd {
    init(_ account: RecordingAccount) {
        self.init()
        records = account.records
        dropped = account.dropped
        damages = account.damages
        firstDamage = account.firstDamage
        missingBlocks = account.missingBlocks
        missingRecords = account.missingRecords
        if case .cut(let offset) = account.ending { cutAt = offset }
        unusedBytes = account.unusedBytes
        gaps = account.gaps
    }
}
