// SPDX-License-Identifier: MIT
import ArgumentParser
import CProcess
import Glibc
import TailraceCapture
import TailraceModel
import TailraceService
import TailraceTasks

/// Not for people: the process that reads the open tasks of traced servers, for the one that traces. Its standard input is
/// their connection.
struct ReadTasks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read-tasks", abstract: "Read the tasks of servers.", shouldDisplay: false)

    @OptionGroup var options: TargetOptions

    /// From -20 to 19.
    private static let niceness: Int32 = 10

    func run() throws {
        cprocess_end_with_parent()
        // Of other processes it reads more than anybody.
        try OwnMemory.keep()
        // What it reads can wait: servers come first. Where this is refused it is only less polite.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        // Who traces ends it, when all is told.
        for number in [SIGINT, SIGTERM, SIGHUP] { signal(number, SIG_IGN) }
        cprocess_keep_capabilities(try capabilities)
        try TaskReader(options).serve()
    }

    /// What it needs, and nothing else; where this user has less of it, less is told.
    private var capabilities: UInt64 {
        get throws {
            // To read memory, and what lies in the directories of processes of others; to load programs.
            var kept = [Capability.sysPtrace, .dacReadSearch, .bpf, .perfmon]
            // The readers of executables begin as root and end as nobody.
            if geteuid() == 0 { kept += [.setuid, .setgid] }
            // The kernel wants it for hooks in other programs.
            if try options.probe.kind != nil { kept.append(.sysAdmin) }
            return kept.reduce(0) { $0 | 1 << $1.rawValue }
        }
    }
}

/// Reads on a thread of its own, tells on this one: memory that never answers holds up nobody else.
private final class TaskReader {
    private let gauge: TaskGauge
    private let serving: ServingTasks?
    private let options: TargetOptions
    private let connection = STDIN_FILENO
    private var wake: [Int32] = [-1, -1]
    private var incoming = TaskMessages()
    /// What the other side has not taken yet.
    private var pending: [UInt8] = []
    /// Until it has, no more is taken from the gauge, which forgets beyond its own bound.
    private static let mostPending = 1 << 20
    /// Servers that are not read by then are read a little later, ns; where the user named functions, it is first seen whether
    /// they are there.
    private static let (patience, probePatience): (Nanoseconds, Nanoseconds) = (2_000_000_000, 20_000_000_000)
    /// A read that takes longer never ends, ns.
    private static let longestRead: Nanoseconds = 5_000_000_000
    private var saysItHangs = false
    private var looked: Nanoseconds = 0
    private var awakeSince: Nanoseconds = 0

    init(_ options: TargetOptions) throws {
        self.options = options
        guard pipe(&wake) == 0 else { throw Failure("cannot make a pipe: \(String(cString: strerror(errno)))") }
        for end in wake { _ = fcntl(end, F_SETFL, O_NONBLOCK) + fcntl(end, F_SETFD, FD_CLOEXEC) }
        let serving = try? ServingTasks()
        self.serving = serving
        let bell = wake[1]
        gauge = TaskGauge(
            kinds: [.go, .swift] + [try options.probe.kind].compactMap { $0 } + [.threads],
            found: { pid, idOffset in serving?.look(atGoProcess: pid, idOffset: idOffset) },
            ended: { pid in serving?.forget(process: pid) },
            serving: { pid in serving?.all(of: pid) ?? [] },
            told: {
                var byte: UInt8 = 0
                write(bell, &byte, 1)
            })
    }

    /// Until the other side has gone.
    func serve() throws -> Never {
        let found = ListenerProcesses.listening(on: options.port) + ListenerProcesses.named(options.comm)
        for pid in options.pid + found { gauge.watch(pid: pid) }
        gauge.settle(patience: try options.probe.kind == nil ? Self.patience : Self.probePatience)
        tell(gauge.refusals())
        say(.ready(counted: gauge.processes(countedBy: TaskProbe.name)))
        flush(with: serving?.descriptor ?? -1)
        while true {
            var events = [
                pollfd(fd: connection, events: Int16(pending.isEmpty ? POLLIN : POLLIN | POLLOUT), revents: 0),
                pollfd(fd: wake[0], events: Int16(POLLIN), revents: 0),
            ]
            poll(&events, 2, 1000)
            emptyBell()
            hear()
            tell()
            flush()
        }
    }

    private func emptyBell() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(wake[0], &bytes, bytes.count) > 0 {}
    }

    private func say(_ message: TaskMessage) { message.encode(into: &pending) }

    private func hear() {
        var bytes = [UInt8](repeating: 0, count: 65536)
        var nothing: Int32 = -1
        while true {
            let count = cprocess_receive(connection, &bytes, bytes.count, &nothing)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            // Not exit(): a thread may be inside a read for ever.
            guard count > 0, !incoming.isBroken else { _exit(0) }
            bytes.withUnsafeBytes { incoming.take(UnsafeRawBufferPointer(rebasing: $0[..<count]), answer) }
        }
    }

    private func answer(_ message: TaskMessage) {
        switch message {
        case .watch(let pid, let started): gauge.watch(pid: pid, started: started)
        case .ask(let root, let due): gauge.ask(root, at: due)
        case .askWriters: gauge.askWriters()
        case .askGroups: gauge.askGroups()
        case .ready, .told, .silent, .refused, .census: break
        }
    }

    private func tell() {
        guard pending.count < Self.mostPending else { return }
        let (events, silent) = gauge.take()
        for event in events { say(.told(event)) }
        for pid in silent { say(.silent(pid: pid)) }
        tell(gauge.refusals())
        for census in gauge.censuses() { say(.census(census)) }
        let now = readClock(CLOCK_MONOTONIC)
        // While this process is stopped, so are its reads.
        if now - looked > Self.longestRead / 2 { awakeSince = now }
        looked = now
        guard !saysItHangs, min(now - awakeSince, PendingReads.longest) > Self.longestRead else { return }
        saysItHangs = true
        let why = "it does not answer; a file that it has mapped may lie on a file system that does not"
        let sentence = "cannot read the memory of a server: \(why). Until it does, no tasks are counted"
        say(.refused(code: 1, sentence: sentence))
    }

    private func tell(_ refusals: [TaskError]) {
        for refusal in refusals { say(.refused(code: refusal.kind.rawValue, sentence: refusal.description)) }
    }

    /// `descriptor` goes with what is written first.
    private func flush(with descriptor: Int32 = -1) {
        var descriptor = descriptor
        while !pending.isEmpty {
            let count = pending.withUnsafeBytes { cprocess_send(connection, $0.baseAddress, $0.count, descriptor) }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { _exit(0) }
            pending.removeFirst(count)
            descriptor = -1
        }
    }
}
