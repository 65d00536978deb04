// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Threads of any program, from /proc.
public final class Threads: TaskProvider {
    /// As DESIGN names it.
    public static let name = "threads"
    private let pid: Int32
    /// Its directory in /proc: of a process that has its id later nothing is read through it.
    private let directory: Int32
    /// Threads that are looked at one by one; those beyond are only counted.
    private static let most = 1 << 16

    /// - Throws: there is no such process.
    public init(pid: Int32) throws(TaskError) {
        self.pid = pid
        directory = open("/proc/\(pid)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw TaskError(.failed, "there is no process \(pid)") }
    }

    deinit { close(directory) }

    /// Nothing to say.
    public var remark: String? { nil }

    static func start(of pid: Int32) -> Substring? {
        ProcessFiles.text(of: "/proc/\(pid)/stat").flatMap { fields($0).dropFirst(19).first }
    }

    /// What follows the name in a `stat`: the name may hold anything, its last bracket ends it.
    private static func fields(_ stat: String) -> [Substring] {
        stat.lastIndex(of: ")").map { stat[stat.index(after: $0)...].split(separator: " ") } ?? []
    }

    /// Threads now; throws where the process has ended. The kernel keeps their number: a directory for each of them, beside two
    /// links.
    public func count() throws(TaskError) -> Int {
        var status = stat()
        guard fstatat(directory, "task", &status, 0) == 0, status.st_nlink > 2 else {
            throw TaskError(.failed, "process \(pid) has ended")
        }
        return Int(status.st_nlink) - 2
    }

    private struct Key: Hashable {
        let name: String
        let state: String
        let channel: String?
    }

    /// By name, state and the kernel function that they sleep in.
    public func groups() throws(TaskError) -> [TaskGroup] {
        guard let ids = ProcessFiles.names(in: "/proc/\(pid)/task", most: Self.most) else {
            throw TaskError(.failed, "process \(pid) has ended")
        }
        var counts: [Key: Int] = [:]
        for id in ids {
            let path = "/proc/\(pid)/task/\(id)"
            guard let stat = ProcessFiles.text(of: path + "/stat"), let state = Self.fields(stat).first,
                let open = stat.firstIndex(of: "("), let close = stat.lastIndex(of: ")"), open < close
            else { continue }
            let channel = ProcessFiles.text(of: path + "/wchan")
            counts[
                Key(
                    name: String(stat[stat.index(after: open)..<close]), state: Self.word(state),
                    channel: channel == "0" || channel == "" ? nil : channel), default: 0] += 1
        }
        return counts.map { key, count in
            var group = TaskGroup(provider: Self.name, count: count, state: key.state)
            group.runs = CodePlace(function: key.name)
            group.waitsFor = key.channel
            return group
        }
    }

    private static func word(_ letter: Substring) -> String {
        switch letter {
        case "R": "running"
        case "S": "sleeping"
        case "D": "uninterruptible"
        case "T": "stopped"
        case "t": "traced"
        case "Z": "zombie"
        case "I": "idle"
        default: "unknown"
        }
    }
}
