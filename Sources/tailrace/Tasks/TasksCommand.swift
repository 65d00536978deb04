// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceCapture
import TailraceModel
import TailraceOutput
import TailraceTasks

/// `tailrace tasks`: the open tasks of one process, by where they were created and what they wait for.
struct TasksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tasks",
        abstract: "Show the open tasks of a process: how many, where created, waiting for what.",
        discussion: """
            Goroutines of Go programs, tasks of Swift Concurrency, threads of any program. They are read from outside: the process is not stopped, \
            not changed and not asked. Needs root, or CAP_SYS_PTRACE for processes of others.

            EXAMPLES
              sudo tailrace tasks 4711
              sudo tailrace tasks 4711 --watch 2s
              sudo tailrace tasks 4711 --watch 2s --task-probe open=exe:job_begin,close=exe:job_end
              sudo tailrace tasks 4711 --json | jq '.groups[] | select(.count > 100)'
            """)

    @Argument(help: ArgumentHelp("The process.", valueName: "pid"))
    var pid: Int32

    @Flag(help: "Write NDJSON also to a terminal.")
    var json = false

    @Option(
        help: ArgumentHelp(
            "Again and again, so often: 500ms, 2s. The process's responses are traced meanwhile: how many are in flight, and whose tasks are left behind. Ages are known from the second time on.",
            valueName: "time"))
    var watch: TimeSpan?

    @OptionGroup var probe: TaskProbeOption

    @Option(help: .hidden)
    var apartWithColumns: Int?

    func validate() throws {
        if pid <= 0 { throw ValidationError("\(pid) is no process id.") }
    }

    func run() throws {
        guard let columns = apartWithColumns else {
            let isForPrograms = json || isatty(STDOUT_FILENO) == 0
            let code = try ApartProcess.run(
                [
                    Self.configuration.commandName ?? "", "--apart-with-columns",
                    String(isForPrograms ? 0 : terminalWidth()),
                ]
                    + CommandLine.arguments.dropFirst(2))
            if code != 0 { throw ExitCode(code) }
            return
        }
        ApartProcess.begin(reading: pid)
        try tell(columns: columns)
    }

    /// `columns`: of the terminal; 0: there is none.
    private func tell(columns: Int) throws {
        guard let watch else {
            var subject = try CensusSubject(pid: pid, watches: false, probe: try probe.kind)
            let remark = "responses are counted from their begin on: with --watch"
            return try write(
                subject.census(responses: TaskCount(provider: "responses", open: nil, remark: remark)), columns)
        }
        var subject = try CensusSubject(pid: pid, watches: true, probe: try probe.kind)
        let options = try TargetOptions.parse(["--pid", String(pid)])
        let run: TracingRun
        do {
            run = try TracingRun(target: options.target, tellsFlushes: false)
            try run.readTasks(of: options)
        } catch let error as CaptureError {
            return try tell(columns, every: watch.nanoseconds, &subject, without: error.description)
        }
        try tell(columns, every: watch.nanoseconds, &subject, beside: run)
    }

    private func write(_ census: TaskCensus, _ columns: Int) throws {
        var output = Output(STDOUT_FILENO)
        if columns == 0 {
            output.append(census.json())
        } else {
            output.append(CensusText(width: columns).text(census))
        }
        try output.flush()
    }

    /// With the responses that are in flight, and those whose client has gone.
    private func tell(
        _ columns: Int, every interval: Int64, _ subject: inout CensusSubject, beside run: TracingRun
    ) throws {
        var gone = GoneResponses()
        var next = run.now
        try run.run(
            tell: { gone.take($0) },
            afterDrain: {
                guard run.now >= next else { return }
                next = run.now + interval
                let open = run.openResponses()
                subject.look(for: gone.all(open: open))
                let census = try subject.census(responses: TaskCount(provider: "responses", open: open.count))
                gone.keep(thoseIn: census.groups)
                try write(census, columns)
            }, isDone: { subject.hasEnded })
    }

    /// Where this kernel or user cannot trace.
    private func tell(
        _ columns: Int, every interval: Int64, _ subject: inout CensusSubject, without remark: String
    ) throws {
        while true {
            try write(subject.census(responses: TaskCount(provider: "responses", open: nil, remark: remark)), columns)
            var pause = timespec(tv_sec: Int(interval / 1_000_000_000), tv_nsec: Int(interval % 1_000_000_000))
            nanosleep(&pause, nil)
            if subject.hasEnded { return }
        }
    }
}

/// A process and all who can tell of its tasks.
struct CensusSubject {
    private let pid: Int32
    private let process: WatchedProcess
    private var providers: [any TaskProvider] = []
    private var silent: [TaskCount] = []

    /// - Throws: `TaskError` where there is no such process, or nobody may look into it.
    init(pid: Int32, watches: Bool, probe: TaskProviderKind?) throws {
        self.pid = pid
        process = try WatchedProcess(pid: pid)
        let threads = try Threads(pid: pid)
        try add(Goroutines.name) { () throws(TaskError) in
            let goroutines = try Goroutines(pid: pid)
            goroutines.watches = watches
            return goroutines
        }
        if providers.isEmpty { try add(SwiftTasks.name) { () throws(TaskError) in try SwiftTasks(pid: pid) } }
        // The user asked for it: where it cannot be, that is no remark.
        if let probe { providers.append(try probe.make(pid)) }
        providers.append(threads)
    }

    /// One that cannot tell says why; only where this user may not look, nothing is told.
    private mutating func add(
        _ name: String, _ make: () throws(TaskError) -> any TaskProvider
    ) throws(TaskError) {
        do throws(TaskError) {
            providers.append(try make())
        } catch {
            guard error.kind != .forbidden else { throw error }
            silent.append(TaskCount(provider: name, open: nil, remark: error.description))
        }
    }

    /// Nothing more comes.
    var hasEnded: Bool { process.hasEnded }

    /// Responses whose client has gone, by the task that serves them: theirs are told apart from now on.
    func look(for gone: [UInt64: String]) {
        for case let goroutines as Goroutines in providers { goroutines.gone = gone }
    }

    /// What they tell now, and who counts responses.
    mutating func census(responses: TaskCount) throws -> TaskCensus {
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        var census = TaskCensus(
            pid: pid, comm: TaskProcess.name(of: pid) ?? "?",
            wall: Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec))
        for provider in providers {
            census.counts.append(
                TaskCount(provider: type(of: provider).name, open: try provider.count(), remark: provider.remark))
            census.add(try provider.groups())
        }
        census.counts += [responses] + silent
        census.connections = HeldSockets.connections(of: pid)
        return census
    }
}
