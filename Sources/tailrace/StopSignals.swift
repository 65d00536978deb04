// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// The signals that end a run in order: blocked, so that they are taken where nothing is half done.
enum StopSignals {
    private static let set: sigset_t = {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        // Its terminal is gone; who started it with nohup wants it to go on.
        var hangUp = sigaction()
        sigaction(SIGHUP, nil, &hangUp)
        if unsafeBitCast(hangUp.__sigaction_handler.sa_handler, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) {
            sigaddset(&signals, SIGHUP)
        }
        return signals
    }()

    /// From now on they wait to be taken.
    static func block() {
        var signals = set
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// A second one ends at once.
    static func unblock() {
        var signals = set
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    /// True: one came within `time` ns.
    static func wait(_ time: Nanoseconds) -> Bool {
        var signals = set
        var timeout = timespec(tv_sec: 0, tv_nsec: Int(time))
        return sigtimedwait(&signals, nil, &timeout) > 0
    }
}
