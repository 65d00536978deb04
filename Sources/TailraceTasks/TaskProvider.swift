// SPDX-License-Identifier: MIT
import TailraceModel

/// Tells the open tasks of one process, of one kind.
public protocol TaskProvider: AnyObject {
    /// As DESIGN names it.
    static var name: String { get }

    /// What was found out about the process, for people; nil: nothing.
    var remark: String? { get }

    /// Open tasks now.
    func count() throws(TaskError) -> Int

    /// The open tasks by where they were created and what they wait for.
    func groups() throws(TaskError) -> [TaskGroup]
}

/// One kind of tasks, and who tells those of a process.
public struct TaskProviderKind: Sendable {
    /// As DESIGN names it.
    public let name: String
    /// Ready to be asked. Throws the sentence that says why it cannot tell.
    public let make: @Sendable (_ pid: Int32) throws(TaskError) -> any TaskProvider

    /// It belongs to how the program is made: what has goroutines has no other such tasks.
    let isRuntime: Bool

    /// One that any program may have.
    public init(_ name: String, _ make: @escaping @Sendable (_ pid: Int32) throws(TaskError) -> any TaskProvider) {
        self.init(name, isRuntime: false, make)
    }

    private init(
        _ name: String, isRuntime: Bool,
        _ make: @escaping @Sendable (_ pid: Int32) throws(TaskError) -> any TaskProvider
    ) {
        self.isRuntime = isRuntime
        self.name = name
        self.make = make
    }

    /// nil: it can tell the tasks of that process; else the sentence that says why not.
    public func canObserve(pid: Int32) -> String? {
        do throws(TaskError) {
            _ = try make(pid)
            return nil
        } catch {
            return error.description
        }
    }

    /// Goroutines.
    public static let go = TaskProviderKind(Goroutines.name, isRuntime: true) { pid throws(TaskError) in
        let goroutines = try Goroutines(pid: pid)
        goroutines.watches = true
        return goroutines
    }
    /// Tasks of Swift Concurrency.
    public static let swift = TaskProviderKind(SwiftTasks.name, isRuntime: true) { pid throws(TaskError) in
        try SwiftTasks(pid: pid)
    }
    /// Threads, of any program.
    public static let threads = TaskProviderKind(Threads.name) { pid throws(TaskError) in try Threads(pid: pid) }
}
