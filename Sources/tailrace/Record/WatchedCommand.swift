// SPDX-License-Identifier: MIT
import Glibc
import TailraceCapture
import TailraceModel

/// The command behind `--`: recorded for as long as it runs.
final class WatchedCommand {
    private let pid: pid_t
    private var status: Int32?
    /// Told to end: when it is killed.
    private var deadline: Nanoseconds?

    /// Starts it with our own input and output, and with the signals as they are by default.
    ///
    /// - Throws: `ExitFailure` with what a shell would end with: 127 where it is not there, 126 where it cannot be run.
    init(_ words: [String]) throws {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for signal in [SIGPIPE, SIGXFSZ, SIGINT, SIGTERM] { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var child: pid_t = 0
        let result = posix_spawnp(&child, words[0], nil, &attributes, &arguments, environ)
        guard result == 0 else {
            throw ExitFailure(
                code: result == ENOENT ? 127 : 126,
                description:
                    "cannot start \(words[0]): \(String(cString: strerror(result))); give a command as a shell finds it"
            )
        }
        pid = child
    }

    /// It is over. Also sees to it that what was told to end does.
    var hasEnded: Bool {
        var status: Int32 = 0
        if self.status == nil, waitpid(pid, &status, WNOHANG) == pid { self.status = status }
        if self.status == nil, let deadline, readClock(CLOCK_MONOTONIC) >= deadline { kill(pid, SIGKILL) }
        return self.status != nil
    }

    /// Asks it to end; the second time it has no choice.
    func tellToEnd() {
        guard !hasEnded else { return }
        let now = readClock(CLOCK_MONOTONIC)
        if deadline == nil { kill(pid, SIGTERM) }
        deadline = deadline == nil ? now + Self.grace : now
    }

    /// Ends it if it has not; our own exit code: the command's, 128 and its signal where one killed it, 0 where we ended it.
    func end() -> Int32 {
        if deadline == nil { tellToEnd() }
        while !hasEnded { usleep(10_000) }
        let status = status ?? 0
        let signal = status & 0x7f
        if signal == 0 { return status >> 8 & 0xff }
        return deadline == nil ? 128 + signal : 0
    }

    /// From SIGTERM to SIGKILL, ns.
    private static let grace: Int64 = 5_000_000_000
}

/// It failed with a code of its own.
struct ExitFailure: Error, CustomStringConvertible {
    let code: Int32
    let description: String
}
