// SPDX-License-Identifier: MIT
import CProcess
import Glibc

/// One process that is looked at for a while: another one that has its id later is not it.
public final class WatchedProcess {
    private let descriptor: Int32

    /// - Throws: there is no such process, or it is of a kind that has no tasks.
    public init(pid: Int32) throws(TaskError) {
        let status = ProcessFiles.text(of: "/proc/\(pid)/status") ?? ""
        guard let owner = Self.number("Tgid", in: status) else {
            throw TaskError(.failed, "there is no process \(pid)")
        }
        guard owner == pid else {
            throw TaskError(.failed, "\(pid) is a thread of process \(owner), not a process: give \(owner)")
        }
        guard Self.number("Kthread", in: status) != 1 else {
            throw TaskError(.failed, "process \(pid) is a thread of the kernel: it has no tasks that could be told")
        }
        descriptor = cprocess_open(pid)
        guard descriptor >= 0 else {
            throw errno == ESRCH
                ? TaskError(.failed, "there is no process \(pid)") : .step("watch process \(pid)", errno: errno)
        }
        guard !hasEnded else {
            throw TaskError(.failed, "process \(pid) has ended, and only its parent has not asked yet how (a zombie)")
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Also where its parent has not asked yet how.
    public var hasEnded: Bool {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&ready, 1, 0) == 1
    }

    private static func number(_ name: String, in status: String) -> Int32? {
        status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            .flatMap { $0.split(whereSeparator: \.isWhitespace).last }.flatMap { Int32($0) }
    }
}
