// SPDX-License-Identifier: MIT
import CProcess
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceTasks

/// Puts what is told of the servers' tasks into the stream of a live run: their counts, who serves a connection, and what it
/// left behind.
final class TaskWitness {
    private var gauge: GaugeApart
    private let options: TargetOptions
    /// What we might when it was begun: another one needs as much.
    private let rights = cprocess_capabilities()
    private var isPaused = false
    /// How often it has ended by itself.
    private(set) var ended: UInt64 = 0
    private var nextBegin: Nanoseconds = 0
    private var isEndTold = false
    /// From one that ended to the next, ns.
    private static let pauseBetween: Nanoseconds = 10_000_000_000
    private var questions = TaskQuestions()
    /// Servers that were met, and of them those whose goroutines are told, or never will be.
    private var met: Set<Met> = []
    private var told: Set<Int32> = []
    private var silent: Set<Int32> = []
    /// Connections of which nobody knows yet who serves them, and their servers: looked for until it is known.
    private var unserved: [UInt64: Int32] = [:]
    private static let mostMet = 4096
    private static let mostUnserved = 1 << 16
    /// The process that reads answers within that time, ns, unless the machine is very busy: then it is heard later.
    private static let patience: Nanoseconds = 25_000_000_000
    /// What was said already of tasks that are not counted as the user wanted.
    private var complaints: Set<String> = []
    private static let mostComplaints = 16

    /// A writer that waits for longer is worth a question, ns.
    private static let longBlocked: Nanoseconds = 250_000_000

    private struct Met: Hashable {
        let pid: Int32
        let started: Nanoseconds
    }

    /// Servers that can be named already are read from now on. Where the kernel refuses to look for who serves, only the
    /// counts are told.
    ///
    /// - Throws: `TaskError`, where servers are known, and `--task-probe` counts the tasks of none of them.
    init(_ options: TargetOptions) throws {
        if let rights = TaskRights.tried() { Self.complain(of: rights) }
        self.options = options
        gauge = try GaugeApart(options)
        gauge.settle(patience: Self.patience)
        let refusals = gauge.takeRefusals()
        if let first = refusals.first, gauge.counted ?? 0 == 0, !options.probe.pairs.isEmpty { throw first }
        refusals.forEach(complain)
    }

    private static func complain(of rights: TaskRights) {
        if !rights.readsMemory || !rights.readsProgram {
            tailrace.complain(
                "without CAP_SYS_PTRACE goroutines and Swift tasks of other users' servers are not counted, their threads are, and "
                    + "executables are not named; `tailrace doctor` says what works with this user's rights")
        } else if !rights.confinesReaders {
            tailrace.complain(
                "goroutines and Swift tasks are not counted, threads are: the process that reads executables cannot be confined "
                    + "here; let it use seccomp and prctl, or set tasks = off")
        }
    }

    private func complain(_ refusal: TaskError) {
        guard complaints.count < Self.mostComplaints, complaints.insert(refusal.description).inserted else { return }
        tailrace.complain(refusal.description)
    }

    /// Of the one that reads.
    var process: pid_t { gauge.process }

    /// Whether there is one that reads.
    var isReading: Bool { !gauge.hasEnded }

    /// While it is paused, nothing is read.
    func pause(_ isPaused: Bool) {
        let isResumed = self.isPaused && !isPaused
        self.isPaused = isPaused
        gauge.pause(isPaused)
        // Of servers that were met meanwhile it may not have heard.
        if isResumed { watchAll() }
    }

    private func watchAll() { for server in met { gauge.watch(pid: server.pid, started: server.started) } }

    /// Another one, where we still have the right to; else counts are not known from now on.
    private func replace() {
        gauge.reap()
        let now = readClock(CLOCK_MONOTONIC)
        let mayBegin = cprocess_capabilities() & rights == rights
        if !isEndTold {
            (isEndTold, ended, nextBegin) = (true, ended + 1, max(nextBegin, now))
            tailrace.complain(
                mayBegin
                    ? "the process that reads the servers' tasks has ended: another one is begun"
                    : "the process that reads the servers' tasks has ended, and the rights to begin another one were given up: "
                        + "tasks are not counted any more; restart the service")
        }
        guard mayBegin, now >= nextBegin, let next = try? GaugeApart(options) else { return }
        nextBegin = now + Self.pauseBetween
        gauge = next
        gauge.pause(isPaused)
        (isEndTold, told, silent, unserved) = (false, [], [], [:])
        watchAll()
    }

    /// After the event was handled. Where no server tells of its tasks, this costs a comparison.
    func hear(_ event: borrowing KernelEvent, _ tell: (KernelEvent) -> Void) {
        switch event {
        case .socketUsed(let use): meet(use)
        case .requestRead(let read): if !unserved.isEmpty { look(at: read.pointee.socket, tell) }
        case .headSent(let sent): if !unserved.isEmpty { look(at: sent.pointee.socket, tell) }
        case .flushLeft(let flush): if !unserved.isEmpty { look(at: flush.pointee.socket, tell) }
        case .stateChanged(let change):
            if !unserved.isEmpty { look(at: change.socket, tell) }
            if !unserved.isEmpty, change.new == .closed { unserved[change.socket] = nil }
            if let question = questions.take(change) { gauge.ask(question.root, at: question.due) }
        case .socketSampled(let sample):
            if sample.pointee.blocked >= Self.longBlocked, !told.isEmpty { gauge.askWriters() }
        case .connectionWaits, .roundEnded, .taskTold: break
        }
    }

    /// Before each drain: what was read meanwhile.
    func tell(_ tell: (KernelEvent) -> Void) {
        if gauge.hasEnded { replace() }
        let (events, silent) = gauge.take()
        for event in events {
            if case .counted(let reading) = event { note(reading) }
            tell(.taskTold(event))
        }
        gauge.takeRefusals().forEach(complain)
        guard !silent.isEmpty else { return }
        if self.silent.count + silent.count > Self.mostMet { self.silent = [] }
        self.silent.formUnion(silent)
        unserved = unserved.filter { !self.silent.contains($0.value) }
    }

    /// Groups of tasks, while somebody `asks` for them.
    func censuses(asks: Bool) -> [TaskCensus] {
        if asks { gauge.askGroups() }
        return gauge.takeCensuses()
    }

    private func note(_ reading: TaskReading) {
        guard reading.provider == Goroutines.name else { return }
        if reading.open == nil {
            told.remove(reading.pid)
        } else if told.insert(reading.pid).inserted {
            silent.remove(reading.pid)
        }
    }

    /// A server that is met is read.
    private func meet(_ use: SocketUse) {
        let pid = use.server.pid
        if met.insert(Met(pid: pid, started: use.server.started)).inserted {
            if met.count > Self.mostMet { met = [] }
            silent.remove(pid)
            gauge.watch(pid: pid, started: use.server.started)
        }
        guard gauge.serving != nil, unserved.count < Self.mostUnserved, !silent.contains(pid) else { return }
        unserved[use.connection.cookie] = pid
    }

    private func look(at connection: UInt64, _ tell: (KernelEvent) -> Void) {
        guard let pid = unserved[connection], told.contains(pid) else { return }
        guard let task = gauge.serving?.task(of: connection, pid: pid) else { return }
        unserved[connection] = nil
        let root = ServingTask(connection: connection, pid: pid, task: task)
        questions.take(root)
        tell(.taskTold(.serving(root)))
    }
}
