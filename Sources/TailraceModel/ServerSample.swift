// SPDX-License-Identifier: MIT

/// One look at all traced sockets of a server, once an interval.
public struct ServerSample: Sendable {
    /// Whose sockets.
    public let server: Server
    /// When the last of them was looked at.
    public let at: Nanoseconds
    /// Responses in flight.
    public var inFlight = 0
    /// Its open tasks by those who tell them, in order of preference.
    public var tasks: [TaskCount] = []
    /// The census group that grew most since the run began, in words; nil: not known. Untrusted.
    public var growing: String?
    /// Tasks that responses left behind not long ago, counted one by one; nil: not known.
    public var leftBehind: Int?
    /// Tasks that wait in a write, in words; nil: not known. Untrusted.
    public var writing: String?
    /// Its connections that are followed.
    public var connections = 0
    /// Of them, those whose writer waits for room.
    public var blockedWriters = 0
    /// Sum of `sk_wmem_queued`.
    public var queuedBytes: Int64 = 0
    /// Sum of `write_seq - snd_nxt`.
    public var unsentBytes: Int64 = 0
    /// Sum of `snd_nxt - snd_una`.
    public var unackedBytes: Int64 = 0
    /// The longest that an unsent byte has waited, ns.
    public var oldestUnsent: Int64 = 0

    /// Connections that wait for it to accept them.
    public var unaccepted = 0
    /// Requests that wait for it to read them.
    public var unread = 0
    /// The longest that one of these has waited, ns.
    public var longestWait: Int64 = 0

    /// Held by queues, a second late; nil: nobody watches.
    public var pressure: PressureStall?

    /// Nothing seen yet.
    public init(server: Server, at: Nanoseconds) {
        self.server = server
        self.at = at
    }

    /// Adds one of its sockets.
    public mutating func add(_ sample: SocketSample) {
        connections += 1
        if sample.blocked > 0 { blockedWriters += 1 }
        queuedBytes += Int64(sample.queuedBytes)
        unsentBytes += Int64(sample.unsentBytes)
        unackedBytes += Int64(sample.unackedBytes)
        oldestUnsent = max(oldestUnsent, sample.oldestUnsent)
    }

    /// Adds what waits for it.
    public mutating func add(_ waiting: WaitingConnection) {
        if waiting.isAccepted { unread += 1 } else { unaccepted += 1 }
        longestWait = max(longestWait, waiting.wait)
    }
}
