// SPDX-License-Identifier: MIT

/// What a look at a socket found waiting for the server: a connection that nobody has accepted, or bytes of the client that
/// nobody has read.
public struct WaitingConnection: Sendable {
    /// Which one.
    public let connection: Connection
    /// Who uses it, or where nobody has yet, who listens; nil: not known.
    public var server: Server?
    /// Inode number of its network namespace.
    public let netns: UInt32
    /// Since when.
    public let since: Nanoseconds
    /// When it was looked at.
    public let at: Nanoseconds
    /// Of the client's, that nobody has read.
    public let unreadBytes: Int64
    /// A process has it.
    public let isAccepted: Bool

    /// So far, ns.
    public var wait: Int64 { max(0, at - since) }

    /// All of it.
    public init(
        connection: Connection, server: Server?, netns: UInt32 = 0, since: Nanoseconds, at: Nanoseconds,
        unreadBytes: Int64, isAccepted: Bool
    ) {
        self.connection = connection
        self.server = server
        self.netns = netns
        self.since = since
        self.at = at
        self.unreadBytes = unreadBytes
        self.isAccepted = isAccepted
    }
}
