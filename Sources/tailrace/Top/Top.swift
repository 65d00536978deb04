// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceDashboard
import TailraceModel
import TailraceOutput

/// `tailrace top`: the live dashboard, and the default command.
struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show live where responses wait, whose fault it is, and what the tasks do.",
        discussion: """
            Also of a recording, with --replay, as if it were live. `?` lists the keys, `q` ends. Not on a terminal, or where TERM \
            is dumb: a table of text for each interval.

            EXAMPLES
              sudo tailrace
              sudo tailrace top --port 8080
              tailrace top --replay incident.trc
            """)

    @OptionGroup var options: TargetOptions

    @Option(
        help: ArgumentHelp(
            "Show this recording instead; or a directory: what the daemon recorded.", valueName: "file"))
    var replay: String?

    @OptionGroup var flight: FlightOptions

    @Option(help: ArgumentHelp("Time between two pictures, from 500ms (500ms; as text 2s).", valueName: "time"))
    var interval: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "Where the keys R, E and y save, for their owner only. Default: the current directory.", valueName: "dir"))
    var saveDirectory = "."

    @OptionGroup var appearance: ScreenOptions

    @OptionGroup var thresholds: ThresholdOptions

    func validate() throws {
        if let interval, interval.nanoseconds < 500_000_000 {
            throw ValidationError(
                "--interval takes 500ms and more: more pictures than two a second cost more than they show.")
        }
    }

    func run() throws {
        if let choice = try flight.choice(replay) { return try play(choice) }
        if let client = options.daemon.client, let terminal = appearance.terminal() {
            return try look(client, terminal)
        }
        if let client = options.daemon.client, options.target == Target(), thresholds.isEmpty {
            // Who may not ask is told so before anything begins.
            _ = try client.get("/v1/health")
            StopSignals.block()
            try ReadyFile.create(options.readyFile)
            return try TopText.print(client, interval: textInterval)
        }
        guard options.daemon.client == nil else { return try printTables(of: options.liveRun(tellsFlushes: true)) }
        let run = try TracingRun(
            target: options.target, backend: options.choice.backend, ringBytes: options.ringBytes,
            maxConnections: options.maxConnections, tellsFlushes: true)
        try run.readTasks(of: options)
        let limits = try thresholds.limits()
        guard let terminal = appearance.terminal() else { return try printTables(of: run) }
        let recorder = TopRecorder(run, target: options.target, mostSockets: Int(options.maxConnections))
        let screen = TopScreen(terminal, appearance.capabilities)
        defer { screen.leave() }
        let live = TopLive(
            run, target: options.target, screen: screen, interval: frameInterval, limits: limits,
            files: SavedFile(directory: saveDirectory), recorder: recorder)
        try ReadyFile.create(options.readyFile)
        try live.show()
        screen.leave()
        recorder.say = complain
        recorder.end()
    }

    /// The daemon's run.
    private func look(_ client: DaemonClient, _ terminal: Terminal) throws {
        guard options.target == Target(), thresholds.isEmpty else {
            throw ExitFailure(
                code: 64,
                description:
                    "top shows what the daemon traces, by its thresholds: leave TARGET and --threshold out, and use the key /"
            )
        }
        // Before the terminal is taken: who may not ask is told on stderr.
        _ = try client.get("/v1/health")
        let screen = TopScreen(terminal, appearance.capabilities)
        defer { screen.leave() }
        try ReadyFile.create(options.readyFile)
        try TopRemote(
            client, screen: screen, interval: frameInterval, files: SavedFile(directory: saveDirectory)
        ).show()
    }

    private func printTables(of run: any LiveRun) throws {
        try ReadyFile.create(options.readyFile)
        let facts = RunFacts(run.description, target: options.target.description)
        try TopText(interval: textInterval, limits: try thresholds.limits(), facts: facts).print(run)
    }

    private func play(_ choice: RecordingChoice) throws {
        let limits = try thresholds.limits()
        guard let terminal = appearance.terminal() else {
            let run = try ReplayRun(choice, tellsFlushes: true)
            let facts = RunFacts(run.description, target: run.source.description.target.description)
            return try TopText(interval: textInterval, limits: limits, facts: facts).print(run)
        }
        // Before the terminal is taken: what cannot be read is said on stderr.
        _ = try choice.open()
        let screen = TopScreen(terminal, appearance.capabilities)
        defer { screen.leave() }
        try TopReplay(
            choice, screen: screen, interval: frameInterval, limits: limits,
            files: SavedFile(directory: saveDirectory)
        ).show()
    }

    private var frameInterval: Nanoseconds { interval?.nanoseconds ?? 500_000_000 }
    private var textInterval: Nanoseconds { interval?.nanoseconds ?? 2_000_000_000 }
}
