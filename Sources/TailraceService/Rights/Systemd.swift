// SPDX-License-Identifier: MIT
import CService
import Glibc
import TailraceModel

/// What the service manager is told, and asks for; without one, nothing.
public enum Systemd {
    /// `READY=1`, `STATUS=...`, `WATCHDOG=1` and the like, one a line, as sd_notify(3) has them. Never waits. false: nobody was told.
    @discardableResult
    public static func notify(_ state: String) -> Bool {
        guard let name = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }) else { return false }
        return notify(state, at: name)
    }

    /// How often `WATCHDOG=1` is expected at least: half of it is a good habit. nil: it is not.
    public static var watchdogInterval: Nanoseconds? {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        return watchdogInterval(microseconds: variable("WATCHDOG_USEC"), pid: variable("WATCHDOG_PID"), own: getpid())
    }

    /// A name of a file, or an abstract one that begins with `@`.
    static func notify(_ state: String, at name: String) -> Bool {
        guard name.hasPrefix("/") || name.hasPrefix("@") else { return false }
        let bytes = Array(state.utf8)
        return cservice_tell(name, bytes, bytes.count) == 0
    }

    /// `pid`: for whom it is meant, where that is said.
    static func watchdogInterval(microseconds: String?, pid: String?, own: Int32) -> Nanoseconds? {
        guard let value = microseconds.flatMap({ Int64($0) }), value > 0, value <= Int64.max / 1000 else { return nil }
        if let pid, Int32(pid) != own { return nil }
        return value * 1000
    }
}
