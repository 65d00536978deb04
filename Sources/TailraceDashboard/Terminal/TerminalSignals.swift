// SPDX-License-Identifier: MIT
import Glibc

/// The signals that a program with a terminal lives with: blocked, and taken one by one where nothing is half done.
enum TerminalSignals {
    private static let all = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT]

    private static func set(of signals: [Int32]) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        return set
    }

    /// Those, and the ones that would stop us for writing to the terminal while another job has it.
    static func block() {
        var set = set(of: all + [SIGTTOU, SIGTTIN])
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// One that has come; nil: none has.
    static func next() -> Int32? {
        var set = set(of: all)
        var none = timespec()
        let signal = sigtimedwait(&set, nil, &none)
        return signal > 0 ? signal : nil
    }
}
