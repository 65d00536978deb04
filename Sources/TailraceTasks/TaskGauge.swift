// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Reads the open tasks of traced servers, over and over, on a thread of its own: whatever a process's memory does to a
/// reader of it, tracing goes on. It only tells what it read; what that has to do with responses is for others.
public final class TaskGauge: Sendable {
    /// Time between two readings, ns, where they are cheap.
    public static let interval: Nanoseconds = 50_000_000
    /// Processes that are read at once; those beyond are not.
    private static let mostProcesses = 64
    /// Those beyond, of which the first are read where others end.
    private static let mostWaiting = 1024
    /// A count that stays the same is told that often, ns: whoever hears nothing for longer knows nothing.
    private static let repetition: Nanoseconds = 1_000_000_000
    /// From one look at all tasks of a process to the next, in durations of one: at most a twentieth of a processor.
    private static let leisure: Nanoseconds = 19
    /// Beyond that the answer is at once that it cannot be told.
    private static let mostQuestions = 1 << 14
    /// What nobody takes is not told.
    private static let mostEvents = 1 << 17

    private typealias Process = GaugeState.Process
    private typealias Source = GaugeState.Source
    private typealias Question = GaugeState.Question
    private let state = Guarded(GaugeState())
    private let kinds: [TaskProviderKind]
    private let found: @Sendable (_ goProcess: Int32, _ idOffset: Int) -> Void
    private let ended: @Sendable (_ goProcess: Int32) -> Void
    private let serving: @Sendable (_ goProcess: Int32) -> Set<UInt64>
    private let told: @Sendable () -> Void

    /// Begins to read by these kinds, the preferred first; nothing is wanted yet. From another thread are called: `found` with each Go process that is
    /// read, and where its runtime keeps a goroutine's id, bytes; `ended` with each that is not read any more; `told` when there is something to take; `serving` asks for
    /// the goroutines that have served a connection.
    public init(
        kinds: [TaskProviderKind] = [.go, .swift, .threads],
        found: @escaping @Sendable (_ goProcess: Int32, _ idOffset: Int) -> Void = { _, _ in },
        ended: @escaping @Sendable (_ goProcess: Int32) -> Void = { _ in },
        serving: @escaping @Sendable (_ goProcess: Int32) -> Set<UInt64> = { _ in [] },
        told: @escaping @Sendable () -> Void = {}
    ) {
        self.kinds = kinds
        self.found = found
        self.ended = ended
        self.serving = serving
        self.told = told
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let work: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
            if let context { Unmanaged<TaskGauge>.fromOpaque(context).takeRetainedValue().work() }
            return nil
        }
        let result = pthread_create(&thread, nil, work, context.toOpaque())
        if result == 0 { pthread_detach(thread) } else { context.release() }
    }

    /// From now on that process is read too, where it has tasks that can be told. `started`: ns since boot.
    public func watch(pid: Int32, started: Nanoseconds) { watch(Process(pid: pid, started: started / Server.tick)) }

    /// The same for a process that has served nothing yet.
    public func watch(pid: Int32) {
        if let started = Threads.start(of: pid).flatMap({ Int64($0) }) { watch(Process(pid: pid, started: started)) }
    }

    private func watch(_ process: Process) {
        state.withLock { state in
            guard !state.known.contains(process), state.wanted.count < Self.mostWaiting else { return }
            if state.known.count >= 4 * Self.mostWaiting {
                state.known.formIntersection(state.counted.union(state.wanted).union(state.waiting))
            }
            state.known.insert(process)
            state.wanted.append(process)
        }
    }

    /// Ends the thread, at its next look.
    public func stop() { state.withLock { $0.isStopped = true } }

    /// What was read since the last call, in the order of time; and processes that have no goroutines.
    public func take() -> (events: [TaskEvent], silent: [Int32]) {
        state.withLock { state in
            defer { (state.events, state.silent) = ([], []) }
            return (state.events, state.silent)
        }
    }

    /// Why tasks are not counted as the user wanted, since the last call.
    public func refusals() -> [TaskError] {
        state.withLock { state in
            defer { state.refusals = [] }
            return state.refusals
        }
    }

    /// How many of the processes that were wanted are counted by that provider.
    public func processes(countedBy provider: String) -> Int {
        state.withLock { state in state.newest.keys.count { $0.provider == provider } }
    }

    /// Asks how many tasks are there at `due` of `root` and those that it and its descendants created. A question of the same
    /// connection that is not answered yet is not asked any more.
    public func ask(_ root: ServingTask, at due: Nanoseconds) {
        let now = monotonic()
        state.withLock { state in
            // Of a process that has ended nothing is left.
            guard let process = state.read.first(where: { $0.pid == root.pid }) else {
                return state.events.append(.leftBehind(TasksLeft(connection: root.connection, at: now, count: 0)))
            }
            guard state.questions.count < Self.mostQuestions else {
                return state.events.append(.leftBehind(TasksLeft(connection: root.connection, at: now, count: nil)))
            }
            state.questions[root.connection] = Question(process: process, task: root.task, due: due)
        }
    }

    /// Somebody waits for room in a send buffer: for a while it is looked at which tasks do.
    public func askWriters() {
        state.withLock { $0.asksWriters = monotonic() + Self.asked }
    }
    private static let asked: Nanoseconds = 5_000_000_000

    /// Somebody looks at the tasks: for a while they are grouped every few seconds.
    public func askGroups() {
        let until = monotonic() + Self.asked
        state.withLock { $0.asksGroups = until }
    }

    /// The groups of all processes that were counted since the last call.
    public func censuses() -> [TaskCensus] {
        state.withLock { state in
            defer { state.censuses = [] }
            return state.censuses
        }
    }

    /// Until those that are wanted so far are read, or cannot be; at most `patience`, ns.
    public func settle(patience: Nanoseconds) {
        let deadline = monotonic() + patience
        while state.withLock({ !$0.wanted.isEmpty || $0.isBusy }), monotonic() < deadline { pause(1_000_000) }
    }

    private func pause(_ nanoseconds: Nanoseconds) {
        var time = timespec(tv_sec: 0, tv_nsec: Int(nanoseconds))
        nanosleep(&time, nil)
    }

    private func work() {
        var processes: [Process: GaugedProcess] = [:]
        var silent = SilentPrograms()
        var nextWalks: [Process: Nanoseconds] = [:]
        var details: [Process: GoDetails] = [:]
        var nextCensus: Nanoseconds = 0
        while true {
            let next: Process? = state.withLock { state in
                if state.wanted.isEmpty, !state.waiting.isEmpty, processes.count < Self.mostProcesses {
                    state.wanted.append(state.waiting.removeFirst())
                }
                state.isBusy = !state.wanted.isEmpty
                return state.wanted.popLast()
            }
            if state.withLock({ $0.isStopped }) { return }
            if let next { begin(next, &processes, &silent) }
            let all = processes.values.reduce(0) { $0 + $1.count }
            for process in processes.keys { read(process, &processes, all, &details) }
            answer(processes, &nextWalks)
            if nextCensus <= monotonic(), state.withLock({ $0.asksGroups }) > monotonic() {
                nextCensus = group(processes)
            }
            if state.withLock({ !$0.events.isEmpty || !$0.silent.isEmpty || !$0.censuses.isEmpty }) { told() }
            if next == nil { pause(Self.interval) }
        }
    }

    private func begin(
        _ process: Process, _ processes: inout [Process: GaugedProcess], _ silent: inout SilentPrograms
    ) {
        guard processes.count < Self.mostProcesses else {
            return state.withLock { state in
                state.silent.append(process.pid)
                if state.waiting.count < Self.mostWaiting { state.waiting.append(process) }
            }
        }
        let pid = process.pid
        let gauged = GaugedProcess(pid: pid, kinds: kinds.filter { !silent.contains(pid, $0) }) { kind, error in
            silent.add(pid, kind)
            // What the user did not ask for is only missing.
            if kind.name == TaskProbe.name { state.withLock { $0.refusals.append(error) } }
        }
        processes[process] = gauged.count > 0 ? gauged : nil
        state.withLock { state in
            if gauged.count > 0 { state.counted.insert(process) }
            if gauged.goroutines == nil { state.silent.append(pid) } else { state.read.insert(process) }
        }
        if let goroutines = gauged.goroutines {
            goroutines.beginRemains()
            found(pid, goroutines.runtime.layout.goroutine.id)
        }
    }

    private func read(
        _ process: Process, _ processes: inout [Process: GaugedProcess], _ all: Int,
        _ details: inout [Process: GoDetails]
    ) {
        let goroutines = processes[process]?.goroutines
        let outcome = processes[process]?.read(all: all) { provider, open, time in
            guard let goroutines, let open, provider == Goroutines.name else {
                return tell(open, by: provider, of: process, at: time)
            }
            let asksWriters = state.withLock { $0.asksWriters > time }
            details[process, default: GoDetails()].look(at: goroutines, count: open, asksWriters: asksWriters)
            tell(open, details[process], by: provider, of: process, at: time)
        }
        if outcome != .told { processes[process] = nil }
        state.withLock { state in
            if processes[process]?.goroutines == nil { state.read.remove(process) }
            guard outcome != .told else { return }
            state.counted.remove(process)
            if outcome == .changed, state.wanted.count < Self.mostWaiting { state.wanted.append(process) }
        }
        if processes[process]?.goroutines == nil { details[process] = nil }
        if goroutines != nil, !processes.contains(where: { $0.key.pid == process.pid && $0.value.goroutines != nil }) {
            ended(process.pid)
        }
    }

    /// A count that is as before is told once a second.
    private func tell(
        _ open: Int?, _ details: GoDetails? = nil, by provider: String, of process: Process, at time: Nanoseconds
    ) {
        let source = Source(process: process, provider: provider)
        let reading = TaskReading(
            pid: process.pid, started: process.started * Server.tick, at: time, provider: provider, open: open,
            growing: details?.growing, writing: details?.writing)
        state.withLock { state in
            if let last = state.newest[source], last.open == open, last.growing == reading.growing,
                last.writing == reading.writing, time - last.at < Self.repetition
            {
                return
            }
            state.newest[source] = open == nil ? nil : reading
            if state.events.count < Self.mostEvents { state.events.append(.counted(reading)) }
        }
    }

    /// When they may be grouped again.
    private func group(_ processes: [Process: GaugedProcess]) -> Nanoseconds {
        let begin = monotonic()
        let censuses = processes.map { process, gauged in
            var census = TaskCensus(pid: process.pid, comm: TaskProcess.name(of: process.pid) ?? "?", wall: 0)
            census.add(gauged.groups())
            return census
        }
        state.withLock { $0.censuses = censuses }
        let end = monotonic()
        return end + max(Self.groupInterval, Self.leisure * (end - begin))
    }
    private static let groupInterval: Nanoseconds = 2_000_000_000

    /// One look at a process answers all that is due of it; the next one comes when it has been left alone for many times
    /// as long.
    private func answer(_ processes: [Process: GaugedProcess], _ nextWalks: inout [Process: Nanoseconds]) {
        let now = monotonic()
        let due = state.withLock { state in
            let due = state.questions.filter { $0.value.due <= now && nextWalks[$0.value.process] ?? 0 <= now }
            for connection in due.keys { state.questions[connection] = nil }
            return due
        }
        nextWalks = nextWalks.filter { $0.value > now }
        for (process, questions) in Dictionary(grouping: due, by: \.value.process) {
            let begin = monotonic()
            // Of a process that has ended nothing is left.
            let counts = try? processes[process]?.goroutines?.remaining(of: questions.map(\.value.task)) {
                serving(process.pid)
            }
            let end = monotonic()
            nextWalks[process] = end + Self.leisure * (end - begin)
            let isGone = processes[process]?.goroutines == nil
            let answers = questions.map { connection, question in
                TasksLeft(connection: connection, at: begin, count: isGone ? 0 : counts?[question.task])
            }
            state.withLock { state in
                guard state.events.count < Self.mostEvents else { return }
                state.events += answers.sorted { $0.connection < $1.connection }.map { .leftBehind($0) }
            }
        }
    }
}
