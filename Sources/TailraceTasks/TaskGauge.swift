// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Reads the open tasks of traced servers, over and over, on a thread of its own: whatever a process's memory does to a
/// reader of it, tracing goes on.
public final class TaskGauge: Sendable {
    /// Time between two readings, ns. One takes some microseconds.
    public static let interval: Nanoseconds = 20_000_000
    /// Processes that are read at once; those beyond are not.
    private static let mostProcesses = 64
    /// Executables that are remembered as having nothing to tell.
    private static let mostExecutables = 1024

    private struct Process: Hashable {
        let pid: Int32
        /// When it began, in the ticks that /proc counts in.
        let started: Int64

        init(pid: Int32, started: Int64) { (self.pid, self.started) = (pid, started) }

        init(_ server: Server) { self.init(pid: server.pid, started: server.started / Process.tick) }

        /// ns.
        private static let tick: Nanoseconds = 10_000_000
    }
    private struct State {
        var wanted: [Process] = []
        var known: Set<Process> = []
        var histories: [Process: TaskHistory] = [:]
        var provider: [Process: String] = [:]
        var questions: [Question] = []
        var answers: [(token: UInt64, count: Int?)] = []
        var isStopped = false
        var isBusy = false
    }
    private struct Question {
        let token: UInt64
        let process: Process
        let root: UInt64
        let due: Nanoseconds
    }
    private let state = Guarded(State())
    private let found: @Sendable (_ goProcess: Int32, _ idOffset: Int) -> Void

    /// Begins to read; nothing is wanted yet. `found`: called from another thread with each Go process that is read, and
    /// where its runtime keeps a goroutine's id, bytes.
    public init(found: @escaping @Sendable (_ goProcess: Int32, _ idOffset: Int) -> Void = { _, _ in }) {
        self.found = found
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let result = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<TaskGauge>.fromOpaque(context).takeRetainedValue().work() }
                return nil
            }, context)
        if result == 0 { pthread_detach(thread) } else { Unmanaged<TaskGauge>.fromOpaque(context).release() }
    }

    /// From now on that server is read too, where it has tasks that can be told.
    public func watch(_ server: Server) { watch(Process(server)) }

    /// The same for a process that has served nothing yet.
    public func watch(pid: Int32) {
        if let started = Threads.start(of: pid).flatMap({ Int64($0) }) { watch(Process(pid: pid, started: started)) }
    }

    private func watch(_ process: Process) {
        state.withLock { state in
            guard !state.known.contains(process), state.wanted.count < Self.mostProcesses else { return }
            if state.known.count >= 4 * Self.mostProcesses {
                state.known.formIntersection(Set(state.histories.keys).union(state.wanted))
            }
            state.known.insert(process)
            state.wanted.append(process)
        }
    }

    /// Ends the thread, at its next look.
    public func stop() { state.withLock { $0.isStopped = true } }

    /// The tasks of a response's server while it was served; nil: nobody tells them. `at` are ns of CLOCK_MONOTONIC.
    public func range(of server: Server, from begin: Nanoseconds, to end: Nanoseconds) -> TaskRange? {
        let process = Process(server)
        return state.withLock { state in
            guard let history = state.histories[process], let provider = state.provider[process] else { return nil }
            return TaskRange(
                provider: provider, begin: history.open(at: begin), end: history.open(at: end),
                max: history.largest(from: begin, to: end))
        }
    }

    /// The newest count of a server; nil: nobody tells it.
    public func newest(of server: Server) -> TaskCount? {
        let process = Process(server)
        return state.withLock { state in
            guard let history = state.histories[process], let provider = state.provider[process] else { return nil }
            return TaskCount(provider: provider, open: history.open(at: history.newest))
        }
    }

    /// Asks how many tasks are there at `due` of `root` and those that it and its descendants created.
    public func ask(_ token: UInt64, tasksOf root: UInt64, in server: Server, at due: Nanoseconds) {
        let question = Question(token: token, process: Process(server), root: root, due: due)
        state.withLock { $0.questions.append(question) }
    }

    /// What was asked and is known by now; nil: it cannot be told.
    public func answers() -> [(token: UInt64, count: Int?)] {
        state.withLock { state in
            defer { state.answers = [] }
            return state.answers
        }
    }

    /// Until those that are wanted so far are read, or cannot be; at most `patience`, ns.
    public func settle(patience: Nanoseconds) {
        let deadline = monotonic() + patience
        while state.withLock({ !$0.wanted.isEmpty || $0.isBusy }), monotonic() < deadline { pause(1_000_000) }
    }

    /// ns of CLOCK_MONOTONIC.
    public var now: Nanoseconds { monotonic() }

    /// For whoever waits for an answer.
    public func rest() { pause(1_000_000) }

    private func pause(_ nanoseconds: Nanoseconds) {
        var time = timespec(tv_sec: 0, tv_nsec: Int(nanoseconds))
        nanosleep(&time, nil)
    }

    private func work() {
        var readers: [Process: Goroutines] = [:]
        var silent: Set<String> = []
        while true {
            let next: Process? = state.withLock { state in
                state.isBusy = !state.wanted.isEmpty
                return state.wanted.popLast()
            }
            if state.withLock({ $0.isStopped }) { return }
            if let next, readers.count < Self.mostProcesses { begin(next, &readers, &silent) }
            for (process, reader) in readers { read(reader, of: process, &readers) }
            answer(readers)
            if next == nil { pause(Self.interval) }
        }
    }

    private func begin(_ process: Process, _ readers: inout [Process: Goroutines], _ silent: inout Set<String>) {
        guard let executable = ProcessFiles.link("/proc/\(process.pid)/exe"), !silent.contains(executable) else {
            return
        }
        do throws(TaskError) {
            readers[process] = try Goroutines(pid: process.pid)
            state.withLock { $0.provider[process] = Goroutines.name }
            if let reader = readers[process] { found(process.pid, reader.runtime.layout.goroutine.id) }
        } catch {
            if silent.count >= Self.mostExecutables { silent = [] }
            silent.insert(executable)
        }
    }

    private func read(_ reader: Goroutines, of process: Process, _ readers: inout [Process: Goroutines]) {
        let time = monotonic()
        do throws(TaskError) {
            let count = try reader.count()
            state.withLock { $0.histories[process, default: TaskHistory()].add(count, at: time) }
        } catch {
            // It has ended. What was read of it stays until there are too many.
            readers[process] = nil
            state.withLock { state in
                guard state.histories.count > 2 * Self.mostProcesses else { return }
                for gone in state.histories.keys where readers[gone] == nil {
                    state.histories[gone] = nil
                    state.provider[gone] = nil
                }
            }
        }
    }

    /// One look at a process answers all that is due of it.
    private func answer(_ readers: [Process: Goroutines]) {
        let now = monotonic()
        let due = state.withLock { state in
            let due = state.questions.filter { $0.due <= now }
            state.questions.removeAll { $0.due <= now }
            return due
        }
        for (process, questions) in Dictionary(grouping: due, by: \.process) {
            // Of a process that has ended nothing is left.
            let counts = try? readers[process]?.remaining(of: questions.map(\.root))
            let isGone = readers[process] == nil
            let answers = questions.map { ($0.token, isGone ? 0 : counts?[$0.root]) }
            state.withLock { $0.answers += answers }
        }
    }
}
