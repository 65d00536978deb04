// SPDX-License-Identifier: MIT

/// How many tasks a process has open, by one provider.
public struct TaskCount: Codable, Sendable, Equatable {
    /// `go`, `swift`, `uprobe`, `threads`, `responses`.
    public let provider: String
    /// Those that count tasks, the preferred first: that of a process which can tell is told of its responses.
    public static let providers = ["go", "swift", "uprobe", "threads"]
    /// nil: not known.
    public let open: Int?
    /// Why it is not known, or what it does not cover; nil: nothing to say.
    public let remark: String?

    /// A count, or why there is none.
    public init(provider: String, open: Int?, remark: String? = nil) {
        self.provider = provider
        self.open = open
        self.remark = remark
    }
}

/// Open tasks of a server while one of its responses was served: read from time to time, not at the very moments.
public struct TaskRange: Codable, Sendable, Equatable {
    /// Who counted them.
    public let provider: String
    /// At the response's begin; nil: nothing was read yet.
    public let begin: Int?
    /// At its end.
    public let end: Int?
    /// The largest that was read between.
    public let max: Int?

    /// All of it.
    public init(provider: String, begin: Int?, end: Int?, max: Int?) {
        self.provider = provider
        self.begin = begin
        self.end = end
        self.max = max
    }
}

/// A place in a program.
public struct CodePlace: Hashable, Codable, Sendable {
    /// As the program's own tables name it. Untrusted.
    public let function: String
    /// Path of its source. Untrusted.
    public let file: String?
    /// From 1.
    public let line: Int?

    /// `file` and `line` nil: not known.
    public init(function: String, file: String? = nil, line: Int? = nil) {
        self.function = function
        self.file = file
        self.line = line
    }

    /// `main.stream (server.go:41)`. Untrusted.
    public var words: String {
        let name = file.map { $0.split(separator: "/").last.map(String.init) ?? $0 }
        return function + (name.map { file in " (\(file)\(line.map { ":\($0)" } ?? ""))" } ?? "")
    }
}

/// Tasks that were created at one place and wait for the same.
public struct TaskGroup: Codable, Sendable, Equatable {
    /// Who counted them.
    public let provider: String
    /// How many, 1 at least.
    public var count: Int
    /// Where they were created; nil: not known.
    public var createdBy: CodePlace?
    /// What they run; nil: not known.
    public var runs: CodePlace?
    /// `waiting`, `running`, `runnable` ...
    public var state: String
    /// `chan send`, `IO wait` ...; nil: for nothing, or not known.
    public var waitsFor: String?
    /// Where one of them waits, outside of its runtime.
    public var waitsAt: CodePlace?
    /// The longest that one of them has waited, ns, as far as it was noted; nil: not known.
    public var oldest: Int64?
    /// They belong to the runtime, and are not counted as open.
    public var isSystem = false
    /// Of them, those that responses left behind whose client has gone, the most first, and no more than `mostLeftBehind`;
    /// nil: not known.
    public var leftBehindBy: [TasksOfResponse]?
    /// Responses that a group names.
    public static let mostLeftBehind = 64

    /// A group of `count`.
    public init(provider: String, count: Int, state: String) {
        self.provider = provider
        self.count = count
        self.state = state
    }
}

/// How many tasks belong to a response.
public struct TasksOfResponse: Codable, Sendable, Equatable {
    /// Its id.
    public let response: String
    /// 1 at least.
    public let count: Int

    /// Both.
    public init(response: String, count: Int) {
        self.response = response
        self.count = count
    }
}

/// TCP connections that a process holds.
public struct ConnectionCount: Sendable, Equatable {
    /// Both sides may send.
    public var established = 0
    /// CLOSE_WAIT: the client has said that it sends no more, and the server has not closed.
    public var clientGone = 0
    /// Closed, by a reset or a time-out, and its descriptor is still held: no table of the kernel lists it.
    public var closedHeld = 0
    /// On their way to be closed by the server.
    public var ending = 0

    /// None.
    public init() {}
}

/// The open tasks of a process at one moment.
public struct TaskCensus: Sendable, Equatable {
    /// Whose.
    public let pid: Int32
    /// The kernel's name of it. Untrusted.
    public let comm: String
    /// When it was taken, ns since 1970.
    public let wall: Int64
    /// A count for each provider, those that cannot tell too.
    public var counts: [TaskCount] = []
    /// Largest first.
    public var groups: [TaskGroup] = []

    /// nil: not known.
    public var connections: ConnectionCount?

    /// Nothing counted yet.
    public init(pid: Int32, comm: String, wall: Int64) {
        self.pid = pid
        self.comm = comm
        self.wall = wall
    }

    /// The groups, the largest first, and those of a runtime last.
    public mutating func add(_ more: [TaskGroup]) {
        groups += more
        groups.sort { left, right in
            if left.isSystem != right.isSystem { return right.isSystem }
            if left.count != right.count { return left.count > right.count }
            return (left.createdBy?.function ?? "", left.state) < (right.createdBy?.function ?? "", right.state)
        }
    }
}
