// SPDX-License-Identifier: MIT
import Glibc

/// This program once more, in a role of its own. It ends when its standard input closes, so it never outlives its parent.
final class ChildProcess {
    private let pid: pid_t
    private let input: Int32
    private let output: Int32
    private var isReaped = false

    init(_ arguments: [String]) throws {
        var toChild: [Int32] = [0, 0]
        var fromChild: [Int32] = [0, 0]
        guard pipe(&toChild) == 0, pipe(&fromChild) == 0 else {
            throw Failure("cannot make a pipe: \(String(cString: strerror(errno)))")
        }
        for end in toChild + fromChild { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)
        var words = (["tailrace"] + arguments).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var child: pid_t = 0
        let result = posix_spawn(&child, "/proc/self/exe", &actions, nil, &words, environ)
        close(toChild[0])
        close(fromChild[1])
        guard result == 0 else {
            throw Failure("cannot start a process for the demo: \(String(cString: strerror(result)))")
        }
        pid = child
        input = toChild[1]
        output = fromChild[0]
    }

    deinit { end() }

    /// The next line of its standard output, without the line break; nil: it said no more.
    func readLine() -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(output, &byte, 1) == 1 {
            if byte == 0x0a { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        return nil
    }

    var hasEnded: Bool {
        if !isReaped, waitpid(pid, nil, WNOHANG) == pid { isReaped = true }
        return isReaped
    }

    /// Closes its input and waits for it.
    func end() {
        guard !isReaped else { return }
        isReaped = true
        close(input)
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
        close(output)
    }
}

/// For the child: ends the process as soon as the parent is gone.
func endWithParent() {
    Thread.start {
        var byte: UInt8 = 0
        while read(STDIN_FILENO, &byte, 1) > 0 {}
        _exit(0)
    }
}
