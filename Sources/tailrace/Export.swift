// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceCapture
import TailraceOutput

/// `tailrace export`: a recording as text for other programs.
struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write the responses of a recording as NDJSON, JSON, CSV, for Perfetto or for OpenTelemetry.",
        discussion: """
            ndjson: what `trace --json` would have written. json: one array of the same objects. csv: a line for each response,
            the names of the columns in the first one (RFC 4180). perfetto: the Trace Event Format, for ui.perfetto.dev: a slice
            for each response with its stages in it, findings, counters. otlp: spans of the OpenTelemetry Protocol in JSON, as its
            File Exporter writes them: one for each response, with its stages as events, and one for each finding that closed.
            Responses that were open when the recording ended come last, as `open`. Needs no privilege; the same recording gives
            the same bytes on any machine. How the recording ends, and what is missing in it, is said on stderr and in `end`.
            Ends with 65 where the recording is not readable.

            EXAMPLES
              tailrace export incident.trc | jq 'select(.type=="response") | .timeline_ns'
              tailrace export incident.trc --format csv -o incident.csv
              tailrace export --at 03:12 --within 30s --format perfetto -o incident.json
            """)

    /// The formats.
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case ndjson, json, csv, perfetto, otlp
    }

    @Argument(help: "A file that `tailrace record` wrote, or the directory of the daemon's recording.")
    var file: String?

    @OptionGroup var flight: FlightOptions

    @Option(help: "ndjson, json, csv, perfetto or otlp.")
    var format = Format.ndjson

    @Option(name: [.short, .customLong("output")], help: ArgumentHelp("Write to this file.", valueName: "out"))
    var output: String?

    @Flag(help: "With ndjson and json, an object for each flush as well.")
    var flushes = false

    @OptionGroup var thresholds: ThresholdOptions

    func validate() throws {
        if flushes, format == .csv || format == .otlp {
            throw ValidationError("\(format.rawValue) tells each response, and no flushes.")
        }
    }

    func run() throws {
        guard let choice = try flight.choice(file) else {
            throw ValidationError("Give FILE, a recording, or --at, a time that the daemon recorded.")
        }
        if let output, let file, Output.isSameFile(file, output) {
            throw Failure("cannot write the export to \(output): it is the recording itself; give another file (-o)")
        }
        let run = try ReplayRun(choice, tellsFlushes: flushes)
        let format: any ResponseFormat =
            switch format {
            case .ndjson: NDJSON(run: run.description)
            case .json: JSONDocument(run: run.description)
            case .csv: CSV(run: run.description)
            case .perfetto: PerfettoTrace(run: run.description)
            case .otlp: OTLPTrace(run: run.description)
            }
        let destination = try output.map { try Output(file: $0) } ?? Output(STDOUT_FILENO)
        try RunPrinter(run: run, format: format, limits: try thresholds.limits(), output: destination).print()
    }
}
