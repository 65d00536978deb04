// SPDX-License-Identifier: MIT
import CProcess
import Glibc
import TailraceTasks

/// This command once more, in a process apart, because a process that reads another one's memory may never come back from it,
/// and then nobody can end it. What it writes is passed on: who reads our output must not wait for such a process.
final class ApartProcess {
    /// A read that takes longer never ends, ns.
    private static let patience: Int64 = 5_000_000_000
    /// No output has it: it says that the process apart has given up.
    private static let givenUp: UInt8 = 0

    private var process: pid_t = 0
    /// Where we read what it writes to its output and its errors.
    private var sources: [Int32] = []

    /// Runs `arguments`, behind this program's name, to their end. Returns the exit code.
    ///
    /// - Throws: `Failure` where it cannot be started, and what writing throws.
    static func run(_ arguments: [String]) throws -> Int32 { try ApartProcess(arguments).passOn() }

    private init(_ arguments: [String]) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var targets: [Int32] = []
        defer { for target in targets { close(target) } }
        for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else { throw Self.failure(errno) }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            sources.append(ends[0])
            targets.append(ends[1])
            posix_spawn_file_actions_adddup2(&actions, ends[1], descriptor)
        }
        var words = (["tailrace"] + arguments).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        let result = posix_spawn(&process, "/proc/self/exe", &actions, nil, &words, environ)
        guard result == 0 else { throw Self.failure(result) }
    }

    deinit { for source in sources { close(source) } }

    private static func failure(_ code: Int32) -> Failure {
        Failure("cannot start a process that reads the memory of another: \(String(cString: strerror(code)))")
    }

    /// Until it ends or has given up; its exit code.
    private func passOn() throws -> Int32 {
        var outputs = [Output(STDOUT_FILENO), Output(STDERR_FILENO)]
        var events = sources.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 65536)
        while events.contains(where: { $0.fd >= 0 }) {
            guard poll(&events, nfds_t(events.count), -1) > 0 else { continue }
            for place in events.indices where events[place].fd >= 0 && events[place].revents != 0 {
                let count = read(events[place].fd, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    events[place].fd = -1
                    continue
                }
                let isGivenUp = buffer[..<count].contains(Self.givenUp)
                outputs[place].append(buffer[..<count].filter { $0 != Self.givenUp })
                try outputs[place].flush()
                // It will not end, and is not waited for.
                if isGivenUp { return 1 }
            }
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }

    /// In the process apart, before it reads of `pid`: it ends with the one that started it, and says so if a read does not
    /// come back.
    static func begin(reading pid: Int32) {
        cprocess_end_with_parent()
        Thread.start {
            while PendingReads.longest < patience { usleep(100_000) }
            complain(
                "cannot read the memory of process \(pid): it does not answer; a file that it has mapped may lie on a file "
                    + "system that does not")
            Output.write([givenUp], to: STDERR_FILENO)
            _exit(1)
        }
    }
}
