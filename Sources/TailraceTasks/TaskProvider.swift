// SPDX-License-Identifier: MIT
import TailraceModel

/// Tells the open tasks of one process, of one kind.
public protocol TaskProvider: AnyObject {
    /// As DESIGN names it.
    static var name: String { get }

    /// Ready to be asked. Throws the sentence that says why it cannot tell.
    init(pid: Int32) throws(TaskError)

    /// What was found out about the process, for people; nil: nothing.
    var remark: String? { get }

    /// Open tasks now.
    func count() throws(TaskError) -> Int

    /// The open tasks by where they were created and what they wait for.
    func groups() throws(TaskError) -> [TaskGroup]
}

extension TaskProvider {
    /// nil: it can tell the tasks of that process; else the sentence that says why not.
    public static func canObserve(pid: Int32) -> String? {
        do throws(TaskError) {
            _ = try Self(pid: pid)
            return nil
        } catch {
            return error.description
        }
    }
}
