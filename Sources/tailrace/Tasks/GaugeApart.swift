// SPDX-License-Identifier: MIT
import CProcess
import Glibc
import TailraceCapture
import TailraceModel
import TailraceTasks

/// A gauge of tasks in a process apart: that one alone needs the right to read other processes' memory, and if such a read
/// never comes back, nobody here waits for it. To be started before this process gives up its capabilities.
///
/// Nothing here waits for the other process, but `settle`.
final class GaugeApart {
    private(set) var process: pid_t = 0
    private var isPaused = false
    private var connection: Int32 = -1
    private var incoming = TaskMessages()
    private var received = [UInt8](repeating: 0, count: 1 << 16)
    private var pending: [UInt8] = []
    private var descriptor: Int32 = -1
    /// Of messages that the other process did not take yet, bytes.
    private static let mostPending = 1 << 18
    /// Messages that there was no room for.
    private(set) var unsent: UInt64 = 0

    private var events: [TaskEvent] = []
    private var silent: [Int32] = []
    private var refusals: [TaskError] = []
    private var censuses: [TaskCensus] = []
    /// How many of the servers that were known are counted by the user's probe; nil: that is not known yet.
    private(set) var counted: Int?
    /// Who serves which connection, as soon as the other process has told where that is kept.
    private(set) var serving: ServingTable?
    /// What nobody takes is not kept.
    private static let mostEvents = 1 << 17
    /// A question that is repeated is sent so often, ns.
    private static let repetition: Nanoseconds = 1_000_000_000
    private var nextAsked: (writers: Nanoseconds, groups: Nanoseconds) = (0, 0)

    /// Starts it, for the servers that `options` name already and those that it is told of later.
    init(_ options: TargetOptions) throws {
        var ends: [Int32] = [-1, -1]
        guard cprocess_connection(&ends) == 0 else { throw Self.failure(errno) }
        connection = ends[0]
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO)
        for output in [STDOUT_FILENO, STDERR_FILENO] {
            posix_spawn_file_actions_addopen(&actions, output, "/dev/null", O_WRONLY, 0)
        }
        var words = Self.words(options).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        let result = posix_spawn(&process, "/proc/self/exe", &actions, nil, &words, environ)
        guard result == 0 else {
            process = 0
            throw Self.failure(result)
        }
    }

    deinit {
        if connection >= 0 { close(connection) }
        guard process > 0 else { return }
        kill(process, SIGKILL)
        // One that reads what is never delivered cannot end.
        for _ in 0..<Self.looksForEnd where waitpid(process, nil, WNOHANG) == 0 { usleep(1000) }
    }
    /// A millisecond each.
    private static let looksForEnd = 300

    /// It does not tell any more, and never will again.
    private(set) var hasEnded = false

    /// Once it has ended, nothing is left of it: its number may be another one's.
    func reap() {
        guard hasEnded, process > 0 else { return }
        // One that told what makes no sense is there still.
        kill(process, SIGKILL)
        if waitpid(process, nil, WNOHANG) != 0 { process = 0 }
    }

    /// A stopped process spends nothing, and is asked nothing: what nobody takes would fill the room for what it must know.
    func pause(_ wanted: Bool) {
        guard wanted != isPaused, process > 0, !hasEnded else { return }
        isPaused = wanted
        kill(process, wanted ? SIGSTOP : SIGCONT)
    }

    private static func failure(_ code: Int32) -> Failure {
        Failure("cannot start the process that reads the servers' tasks: \(String(cString: strerror(code)))")
    }

    private static func words(_ options: TargetOptions) -> [String] {
        var words = ["tailrace", ReadTasks.configuration.commandName ?? ""]
        words += options.pid.flatMap { ["--pid", String($0)] } + options.port.flatMap { ["--port", String($0)] }
        words += options.comm.map { "--comm=" + $0 } + options.probe.pairs.map { "--task-probe=" + $0 }
        return words + (options.probe.allowSlowProbe ? ["--allow-slow-probe"] : [])
    }

    /// Until the servers that are known are read, or cannot be; at most `patience`, ns.
    func settle(patience: Nanoseconds) {
        let deadline = readClock(CLOCK_MONOTONIC) + patience
        while counted == nil, connection >= 0 {
            let left = deadline - readClock(CLOCK_MONOTONIC)
            guard left > 0 else { return }
            var event = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
            poll(&event, 1, Int32(left / 1_000_000) + 1)
            receive()
        }
    }

    /// From now on that server is read too.
    func watch(pid: Int32, started: Nanoseconds) { send(.watch(pid: pid, started: started)) }

    /// As `TaskGauge.ask`.
    func ask(_ root: ServingTask, at due: Nanoseconds) { if !isPaused { send(.ask(root, due: due)) } }

    /// As `TaskGauge.askWriters`.
    func askWriters() { repeated(.askWriters, \.writers) }

    /// As `TaskGauge.askGroups`.
    func askGroups() { repeated(.askGroups, \.groups) }

    private func repeated(
        _ message: TaskMessage, _ next: WritableKeyPath<(writers: Nanoseconds, groups: Nanoseconds), Nanoseconds>
    ) {
        let now = readClock(CLOCK_MONOTONIC)
        guard !isPaused, now >= nextAsked[keyPath: next] else { return }
        nextAsked[keyPath: next] = now + Self.repetition
        send(message)
    }

    /// What was told since the last call: events in the order of time, and processes that have no goroutines.
    func take() -> (events: [TaskEvent], silent: [Int32]) {
        flush()
        receive()
        defer { (events, silent) = ([], []) }
        return (events, silent)
    }

    /// Why tasks are not counted as the user wanted, since the last call.
    func takeRefusals() -> [TaskError] {
        defer { refusals = [] }
        return refusals
    }

    /// The groups of all processes, since the last call.
    func takeCensuses() -> [TaskCensus] {
        defer { censuses = [] }
        return censuses
    }

    private func send(_ message: TaskMessage) {
        guard connection >= 0 else { return }
        guard pending.count < Self.mostPending else { return unsent += 1 }
        message.encode(into: &pending)
        flush()
    }

    private func flush() {
        while !pending.isEmpty, connection >= 0 {
            let count = pending.withUnsafeBytes { cprocess_send(connection, $0.baseAddress, $0.count, -1) }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { return lose() }
            pending.removeFirst(count)
        }
    }

    private func receive() {
        while connection >= 0 {
            let count = cprocess_receive(connection, &received, received.count, &descriptor)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { break }
            guard count > 0, !incoming.isBroken else { return lose() }
            received.withUnsafeBytes { incoming.take(UnsafeRawBufferPointer(rebasing: $0[..<count]), hear) }
            guard events.count < Self.mostEvents else { break }
        }
        if descriptor >= 0, serving == nil {
            serving = ServingTable(descriptor: descriptor)
            descriptor = -1
        }
    }

    private func hear(_ message: TaskMessage) {
        switch message {
        case .ready(let counted): self.counted = counted
        case .told(let event): if events.count < Self.mostEvents { events.append(event) }
        case .silent(let pid): silent.append(pid)
        case .refused(let code, let sentence):
            refusals.append(TaskError(TaskError.Kind(rawValue: code) ?? .failed, sentence))
        case .census(let census): censuses.append(census)
        case .watch, .ask, .askWriters, .askGroups: break
        }
    }

    /// The other process has ended, or says what makes no sense.
    private func lose() {
        close(connection)
        connection = -1
        pending = []
        hasEnded = true
    }
}
