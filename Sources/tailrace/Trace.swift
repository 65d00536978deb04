// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// `tailrace trace`: a line for each response as it ends.
struct Trace: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a line for each response as it ends.",
        discussion: """
            On a terminal: aligned columns, the stages of each response's time. Not on a terminal, or with --json: NDJSON.
            Ctrl-C ends: responses that are still open follow, and a summary with the loss goes to stderr.

            EXAMPLES
              sudo tailrace trace --port 8080
              sudo tailrace trace --comm nginx --json | jq -c 'select(.type=="response") | .timeline_ns'
            """)

    @OptionGroup var options: TargetOptions

    @Flag(help: "Write NDJSON also to a terminal.")
    var json = false

    @Flag(help: "With NDJSON, an object for each flush as well.")
    var flushes = false

    func run() throws {
        let run = try TracingRun(
            target: options.target, ringBytes: options.ringBytes, maxConnections: options.maxConnections,
            tellsFlushes: flushes)
        let printer = TracePrinter(run: run, target: options.target, asJSON: json || isatty(STDOUT_FILENO) == 0)
        try printer.begin()
        try run.announceReady(in: options.readyFile)
        try run.run(tell: printer.tell, afterDrain: printer.flush)
        try printer.end()
    }
}

/// Writes what a run tells to stdout, for people or for programs.
final class TracePrinter {
    private let run: TracingRun
    private let ndjson: NDJSON
    private let table: TraceTable?
    private var output = Output(STDOUT_FILENO)
    private var counts = RunCounts()
    private var shownLoss = Loss()
    private var nextLossCheck: Nanoseconds = 0

    init(run: TracingRun, target: Target, asJSON: Bool) {
        self.run = run
        ndjson = NDJSON(run: run.description)
        table = asJSON ? nil : TraceTable(width: terminalWidth(), anchor: run.anchor)
        if !asJSON { note("tracing \(target.description); Ctrl-C ends") }
    }

    private func note(_ text: String) { Output.write(Array("tailrace: \(text)\n".utf8), to: STDERR_FILENO) }

    func begin() throws {
        if let table { output.append(table.header) } else { output.append(ndjson.meta()) }
        try output.flush()
    }

    func tell(_ actions: borrowing Actions) {
        if let flush = actions.flush {
            counts.flushes += 1
            if table == nil { output.append(ndjson.flush(flush, anchor: run.anchor)) }
        }
        for sample in actions.samples where table == nil { output.append(ndjson.sample(sample, anchor: run.anchor)) }
        for response in actions.ended {
            counts.responses += 1
            tell(response)
        }
    }

    private func tell(_ response: Response) {
        if let table {
            output.append(table.row(response))
        } else {
            output.append(ndjson.response(response, anchor: run.anchor))
        }
    }

    /// After each drain: what was told leaves, and a loss that grew is said next to it.
    func flush() throws {
        let now = readClock(CLOCK_MONOTONIC)
        if now >= nextLossCheck {
            nextLossCheck = now + 1_000_000_000
            let loss = run.source.loss()
            if loss.lostTotal + loss.missed + loss.untracked > shownLoss.lostTotal + shownLoss.missed
                + shownLoss.untracked
            {
                shownLoss = loss
                if table == nil {
                    output.append(ndjson.loss(loss, at: run.anchor.wall(at: now)))
                } else {
                    note(words(of: loss))
                }
            }
        }
        try output.flush()
    }

    func end() throws {
        for response in run.openResponses() {
            counts.open += 1
            tell(response)
        }
        let loss = run.source.loss()
        if table == nil {
            let wall = run.anchor.wall(at: readClock(CLOCK_MONOTONIC))
            output.append(ndjson.end(counts: counts, loss: loss, unattributed: run.correlator.unattributed, at: wall))
        }
        try output.flush()
        note("\(counts.responses) responses ended, \(counts.open) open; \(words(of: loss))")
    }

    private func words(of loss: Loss) -> String {
        let known = "\(loss.made) events made, \(loss.delivered) delivered"
        guard loss.isAny else { return known + ", none lost" }
        return known + ", \(loss.lostTotal) lost (ring full), \(loss.missed) missed (recursion), "
            + "\(loss.untracked) connections untracked (no memory), \(loss.undecodable) undecodable"
    }
}
