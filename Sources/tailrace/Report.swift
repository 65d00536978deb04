// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// `tailrace report`: where the time of a server's responses went, summed up, live or from a recording.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Sum up where the time of a server's responses went.",
        discussion: """
            Of FILE, a recording, or else of a TARGET, traced for the time that --for gives, or until Ctrl-C. For each server: \
            sentences that say where its slow responses spend their time and whose time that is, and the tables behind them. \
            A server is what runs one program in one cgroup and accepts on one port, however many processes that is. \
            The same recording gives the same report, byte for byte, on any machine, and needs no privilege.

            EXAMPLES
              sudo tailrace report --port 8080 --for 30s
              tailrace report incident.trc
              tailrace report incident.trc --format json | jq -r '.servers[].summary'
              tailrace report --at 03:12
            """)

    @Argument(
        help: ArgumentHelp(
            "A recording, as `tailrace record` writes it, or the directory of the daemon's.", valueName: "file"))
    var file: String?

    @OptionGroup var flight: FlightOptions

    @OptionGroup var options: TargetOptions

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("Trace that long: 250ms, 30s, 5m. Default: until Ctrl-C.", valueName: "time"))
    var duration: TimeSpan?

    @Flag(help: "Also measure the time inside the kernel's functions; this costs more, and not every kernel lets it.")
    var functions = false

    @Option(help: ArgumentHelp("For people or for programs.", valueName: "format"))
    var format = ReportFormat.text

    @OptionGroup var thresholds: ThresholdOptions

    @Option(
        help: ArgumentHelp(
            "End with exit code 3 if one of these was found, a warning or worse: task-leak,slow-consumer. `any`: any of them.",
            valueName: "anomaly,..."))
    var failOn: String?

    func validate() throws {
        _ = try failures
        guard try flight.choice(file) != nil else { return }
        let target = options.target
        guard target.ports.isEmpty, target.pids.isEmpty, target.comms.isEmpty, target.cgroups.isEmpty, duration == nil,
            options.readyFile == nil, options.probe.pairs.isEmpty, !functions
        else {
            throw ValidationError(
                "A recording is read as it is: FILE and --at go with neither TARGET, --for, --functions, --task-probe nor --ready-file."
            )
        }
    }

    /// What `--fail-on` names.
    private var failures: [Anomaly] {
        get throws {
            guard let failOn else { return [] }
            if failOn == "any" { return Anomaly.allCases }
            return try failOn.split(separator: ",", omittingEmptySubsequences: false).map { name in
                if let anomaly = Anomaly(rawValue: String(name)) { return anomaly }
                let known = Anomaly.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError(
                    "--fail-on: no anomaly is named \(String(name).debugDescription); known are \(known), any.")
            }
        }
    }

    func run() throws {
        if let choice = try flight.choice(file) {
            let run = try ReplayRun(choice, tellsFlushes: true)
            return try write(gather(run) { try run.run(tell: $0, afterDrain: {}) }, of: run)
        }
        let run = try options.liveRun(tellsFlushes: true, timesFunctions: functions)
        let ending = duration.map { "for \(Quantity.duration($0.nanoseconds)); Ctrl-C ends sooner" } ?? "until Ctrl-C"
        complain("tracing \(options.target.description) \(ending)")
        try run.readTasks(of: options)
        try ReadyFile.create(options.readyFile)
        let end = duration.map { run.now + $0.nanoseconds }
        var report = try gather(run) { tell in
            try run.run(tell: tell, afterDrain: {}, isDone: { end.map { run.now >= $0 } ?? false })
        }
        report.functions = run.functionTimes()
        try write(report, of: run)
    }

    /// Adds up all that `run` tells.
    private func gather(
        _ run: any ResponseRun, _ goThrough: (@escaping (borrowing Actions) -> Void) throws -> Void
    ) throws -> Report {
        let gathering = Gathering(run, limits: try thresholds.limits())
        let (begin, anchor) = (run.now, run.anchor)
        try goThrough(gathering.take)
        for response in run.openResponses() { gathering.builder.add(response, anchor: run.anchor) }
        var report = gathering.builder.report(
            begin: anchor.wall(at: begin), duration: run.now - begin, loss: run.loss(), unattributed: run.unattributed)
        report.findings = gathering.findings.sorted(open: gathering.watch.open)
        report.otherFindings = gathering.findings.others
        report.insights = gathering.watch.insights()
        (report.end, report.anchor) = (run.now, run.anchor)
        return report
    }

    private func write(_ report: Report, of run: any ResponseRun) throws {
        var output = Output(STDOUT_FILENO)
        let recording = run.recording.map { RecordingEnd($0) }
        switch format {
        case .text:
            output.append(ReportText(run: run.description, width: terminalWidth()).text(report, recording: recording))
        case .html: output.append(ReportHTML(run: run.description).page(report, recording: recording))
        case .json:
            output.append(ReportJSON(run: run.description).line(report, recording: recording))
        }
        try output.flush()
        let wanted = try failures
        let met = report.findings.filter { $0.severity > .notice && wanted.contains($0.anomaly) }.map(
            \.anomaly.rawValue)
        if !met.isEmpty {
            let names = Set(met).sorted().joined(separator: ", ")
            throw ExitFailure(code: 3, description: "--fail-on met its findings: \(names); the report says where")
        }
    }
}

/// How a report is written.
enum ReportFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json, html
}

/// Takes what a run tells.
private final class Gathering {
    var builder = ReportBuilder()
    var watch: Watch
    var findings = FindingList()
    private let run: any ResponseRun

    init(_ run: any ResponseRun, limits: Thresholds) {
        self.run = run
        watch = Watch(limits: limits)
    }

    func take(_ actions: borrowing Actions) {
        if let flush = actions.flush { builder.add(flush) }
        findings.add(watch.take(actions).findings)
        // Not `for response in`, and nothing else beside it: that would copy each of them.
        let anchor = run.anchor
        for place in actions.ended.indices { builder.add(actions.ended[place], anchor: anchor) }
    }
}
