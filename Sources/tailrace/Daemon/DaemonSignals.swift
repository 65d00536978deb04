// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// The signals that a daemon is told by: blocked in every thread, and taken where nothing is half done.
struct DaemonSignals {
    /// What somebody wants of it.
    enum Wish { case end, readAgain }

    private var signals = sigset_t()

    /// To be called before there is a second thread, which then inherits it.
    init() {
        // A daemon is told by it, whatever who started it made of it.
        signal(SIGHUP, SIG_DFL)
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// Waits for at most `time` ns. nil: nobody wants anything.
    mutating func wait(_ time: Nanoseconds) -> Wish? {
        var timeout = timespec(tv_sec: 0, tv_nsec: Int(time))
        switch sigtimedwait(&signals, nil, &timeout) {
        case SIGHUP: return .readAgain
        case 1...: return .end
        default: return nil
        }
    }
}
