// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// `tailrace report`: where the time of a server's responses went, summed up.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Sum up where the time of a server's responses went.",
        discussion: """
            Traces for the time that --for gives, or until Ctrl-C, and prints a report for each server: a sentence that \
            says where its slow responses spend their time and whose time that is, and the tables behind it.

            EXAMPLES
              sudo tailrace report --port 8080 --for 30s
              sudo tailrace report --comm nginx --for 5m --format json | jq '.servers[].summary'
            """)

    @OptionGroup var options: TargetOptions

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("Trace that long: 250ms, 30s, 5m, 1h. Default: until Ctrl-C.", valueName: "duration"))
    var length: Length?

    @Option(help: ArgumentHelp("For people or for programs: text or json.", valueName: "format"))
    var format = ReportFormat.text

    func run() throws {
        let run = try TracingRun(
            target: options.target, ringBytes: options.ringBytes, maxConnections: options.maxConnections,
            tellsFlushes: true)
        let begin = readClock(CLOCK_MONOTONIC)
        let ending = length.map { "for \(Quantity.duration($0.nanoseconds)); Ctrl-C ends sooner" } ?? "until Ctrl-C"
        Output.write(Array("tailrace: tracing \(options.target.description) \(ending)\n".utf8), to: STDERR_FILENO)
        try run.announceReady(in: options.readyFile)
        let gathering = ReportGathering()
        let end = length.map { begin + $0.nanoseconds }
        try run.run(
            tell: gathering.take, afterDrain: {}, isDone: { end.map { readClock(CLOCK_MONOTONIC) >= $0 } ?? false })
        let report = gathering.report(
            begin: begin, end: readClock(CLOCK_MONOTONIC), open: run.openResponses(), loss: run.source.loss(),
            unattributed: run.correlator.unattributed)
        try write(report, run.description)
    }

    private func write(_ report: Report, _ run: RunDescription) throws {
        var output = Output(STDOUT_FILENO)
        switch format {
        case .text: output.append(ReportText(run: run, width: terminalWidth()).text(report))
        case .json: output.append(ReportJSON(run: run).line(report))
        }
        try output.flush()
    }
}

/// How a report is written.
enum ReportFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

/// Takes what a run tells until its end.
private final class ReportGathering {
    private var builder = ReportBuilder()

    func take(_ actions: borrowing Actions) {
        if let flush = actions.flush { builder.add(flush) }
        // Not `for response in`: that would copy each of them.
        for place in actions.ended.indices { builder.add(actions.ended[place]) }
    }

    func report(
        begin: Nanoseconds, end: Nanoseconds, open: [Response], loss: Loss, unattributed: UInt64
    ) -> Report {
        for response in open { builder.add(response) }
        return builder.report(begin: begin, end: end, loss: loss, unattributed: unattributed)
    }
}
