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
        abstract: "Print a line for each response as it ends, and for each finding.",
        discussion: """
            On a terminal: aligned columns, the stages of each response's time. Not on a terminal, or with --json: NDJSON.
            Ctrl-C ends: responses that are still open follow, and a summary with the loss goes to stderr.

            EXAMPLES
              sudo tailrace trace --port 8080
              sudo tailrace trace --comm nginx --json | jq -c 'select(.type=="response") | .timeline_ns'
            """)

    @OptionGroup var options: TargetOptions

    @OptionGroup var thresholds: ThresholdOptions

    @Flag(help: "Write NDJSON also to a terminal.")
    var json = false

    @Flag(help: "With NDJSON, an object for each flush as well.")
    var flushes = false

    func run() throws {
        let run = try options.liveRun(tellsFlushes: flushes)
        let isForPrograms = json || isatty(STDOUT_FILENO) == 0
        let format: any ResponseFormat =
            isForPrograms ? NDJSON(run: run.description) : TraceTable(width: terminalWidth(), anchor: run.anchor)
        if !isForPrograms { complain("tracing \(options.target.description); Ctrl-C ends") }
        try run.readTasks(of: options)
        try RunPrinter(run: run, format: format, limits: try thresholds.limits()).print {
            try ReadyFile.create(options.readyFile)
        }
    }
}
