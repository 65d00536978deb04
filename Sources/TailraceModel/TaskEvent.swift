// SPDX-License-Identifier: MIT

/// What somebody told of a server's tasks, in its place among the kernel's events. Live it comes from those who read the
/// server, later from a recording.
public enum TaskEvent: Sendable, Equatable {
    /// Its tasks were counted.
    case counted(TaskReading)
    /// Who serves a connection is known.
    case serving(ServingTask)
    /// What a connection left behind was counted.
    case leftBehind(TasksLeft)
}

/// How many tasks of one kind a server had open at a moment.
public struct TaskReading: Sendable, Equatable {
    /// Whose.
    public let pid: Int32
    /// When the process began, ns since boot, to the tick that /proc counts in.
    public let started: Nanoseconds
    /// When.
    public let at: Nanoseconds
    /// Who counted: `go`, `swift`, `uprobe`, `threads`. Untrusted where it comes from a recording.
    public let provider: String
    /// nil: not known any more, because the process has ended.
    public let open: Int?
    /// The census group that grew most since the run began, in words; nil: not known. Untrusted.
    public let growing: String?
    /// Tasks that wait in a write, in words; nil: none does, or nobody looked. Untrusted.
    public let writing: String?

    /// All of it.
    public init(
        pid: Int32, started: Nanoseconds, at: Nanoseconds, provider: String, open: Int?, growing: String? = nil,
        writing: String? = nil
    ) {
        self.pid = pid
        self.started = started
        self.at = at
        self.provider = provider
        self.open = open
        self.growing = growing
        self.writing = writing
    }
}

/// The task that serves a connection.
public struct ServingTask: Sendable, Equatable {
    /// The connection's cookie.
    public let connection: UInt64
    /// Whose task it is.
    public let pid: Int32
    /// Its id, unique within the process.
    public let task: UInt64

    /// All of it.
    public init(connection: UInt64, pid: Int32, task: UInt64) {
        self.connection = connection
        self.pid = pid
        self.task = task
    }
}

/// How many tasks a connection left behind: the one that served it, and those that it and its descendants created.
public struct TasksLeft: Sendable, Equatable {
    /// The connection's cookie.
    public let connection: UInt64
    /// When they were counted.
    public let at: Nanoseconds
    /// nil: it cannot be told.
    public let count: Int?

    /// All of it.
    public init(connection: UInt64, at: Nanoseconds, count: Int?) {
        self.connection = connection
        self.at = at
        self.count = count
    }
}

extension Server {
    /// Whether a process that began then, to the tick, is this one.
    public func isProcess(startedAt started: Nanoseconds) -> Bool { self.started / Self.tick == started / Self.tick }

    /// What /proc counts starts in, ns.
    public static let tick: Nanoseconds = 10_000_000
}
