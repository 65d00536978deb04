// SPDX-License-Identifier: MIT
import TailraceModel

/// What is to be asked of a server: which tasks a connection left behind, when its client has been gone for the grace. Pure:
/// live it is asked, and what a recording holds are the answers.
public struct TaskQuestions {
    /// How long tasks may take to notice that their client has gone, ns.
    public static let grace: Nanoseconds = 2_000_000_000
    private var serving: [UInt64: ServingTask] = [:]
    private static let most = 1 << 16

    /// How many tasks `root` and its descendants are at `due`.
    public struct Question: Sendable, Equatable {
        /// What is asked of: its connection, process and task.
        public let root: ServingTask
        /// Not before.
        public let due: Nanoseconds
    }

    /// Nobody serves yet.
    public init() {}

    /// Somebody serves a connection that is open.
    public mutating func take(_ task: ServingTask) {
        if serving.count < Self.most { serving[task.connection] = task }
    }

    /// The client of a connection has gone: what is asked; it replaces what was asked of the same connection before.
    public mutating func take(_ change: StateChange) -> Question? {
        guard !serving.isEmpty, change.new == .closeWait || change.new == .closed else { return nil }
        let root = change.new == .closed ? serving.removeValue(forKey: change.socket) : serving[change.socket]
        guard !change.isLetGo else { return nil }
        return root.map { Question(root: $0, due: change.at + Self.grace) }
    }
}
