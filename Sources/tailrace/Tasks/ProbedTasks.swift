// SPDX-License-Identifier: MIT
import TailraceCapture
import TailraceModel
import TailraceTasks

/// Tasks by the calls of two functions that the user names, since both are watched.
final class ProbedTasks: TaskProvider {
    static let name = TaskProbe.name
    private let pid: Int32
    private let sites: ProbeSites
    private let calls: PairedCalls
    /// How far below 0 the count was: so many were open before, at least, and have closed.
    private var older = 0
    private var opened = 0

    /// Watches them from now on.
    ///
    /// - Throws: why the tasks of that process cannot be counted so.
    init(_ probe: TaskProbe, pid: Int32, allowsSlow: Bool) throws(TaskError) {
        self.pid = pid
        sites = try ProbeSites(probe, pid: pid, allowsSlow: allowsSlow)
        do throws(CaptureError) {
            calls = try PairedCalls(
                pid: pid, open: CallSite(path: sites.open.path, offset: sites.open.offset),
                close: CallSite(path: sites.close.path, offset: sites.close.offset))
        } catch {
            throw TaskError(TaskError.Kind(rawValue: error.kind.rawValue) ?? .failed, error.description)
        }
    }

    var remark: String? {
        let text = "since attach: \(opened) opened"
        return older == 0 ? text : text + "; \(older) have closed that were open before, others may be"
    }

    /// Opened less closed since attach, and those that were open before, as far as they are known.
    func count() throws(TaskError) -> Int {
        guard sites.isThere, let count = calls.count else {
            throw TaskError(
                .failed, "cannot count the tasks of process \(pid): it has ended, or runs another program now")
        }
        opened = count.opened
        older = max(older, -count.open)
        return count.open + older
    }

    /// Where they were created is not known.
    func groups() throws(TaskError) -> [TaskGroup] { [] }
}
