// SPDX-License-Identifier: MIT
import TailraceModel

/// What a round of looks found waiting for servers: a bounded number of connections. Where no process has used one yet, it
/// waits for the process that used a connection to the same port last, else for who listens there.
struct WaitingTable {
    private static let most = 65_536
    private static let mostPorts = 4096
    private struct Port: Hashable {
        let netns: UInt32
        let number: UInt16
    }
    private var users: [Port: Server] = [:]
    private var told: [WaitingConnection] = []

    /// A process uses a connection.
    mutating func add(_ use: SocketUse) {
        let port = Port(netns: use.netns, number: use.connection.local.port)
        if let user = users[port], user === use.server { return }
        if users.count >= Self.mostPorts { users = [:] }
        users[port] = use.server
    }

    /// Nobody has used it yet.
    mutating func add(unused waiting: WaitingConnection) {
        let port = Port(netns: waiting.netns, number: waiting.connection.local.port)
        var waiting = waiting
        waiting.server = users[port] ?? waiting.server
        if waiting.server != nil { add(waiting) }
    }

    mutating func add(_ waiting: WaitingConnection) { if told.count < Self.most { told.append(waiting) } }

    /// Those of this round, by cookie.
    mutating func take() -> [WaitingConnection] {
        defer { told = [] }
        return told.sorted { $0.connection.cookie < $1.connection.cookie }
    }
}

extension ConnectionTracker {
    /// Bytes that nobody reads since `since` are a request that waits: where a response is in the making, they are a part of
    /// its own request or of a conversation, unless it was over before.
    func isRequest(waitingSince since: Nanoseconds) -> Bool {
        guard isOpen else { return true }
        let isHTTP1 = requests.protocolName == .http11 || requests.protocolName == .http10
        return !isHTTP1 && sentAt != 0 && sentAt < since && sample.unsentBytes == 0 && sample.unackedBytes == 0
    }

    private var sentAt: Nanoseconds { current.sentAt }

    /// The same of its own connection and server.
    func waiting(_ waiting: WaitingConnection) -> WaitingConnection {
        WaitingConnection(
            connection: current.response.connection, server: server, netns: waiting.netns, since: waiting.since,
            at: waiting.at, unreadBytes: waiting.unreadBytes, isAccepted: true)
    }
}
