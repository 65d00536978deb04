// SPDX-License-Identifier: MIT
import NIOConcurrencyHelpers

/// What became of every client and of every request, exactly.
public struct ServiceAccount: Sendable, Equatable {
    /// Connections so far: `open + closed + refusedUsers + refusedClients`.
    public var accepted: UInt64 = 0
    /// Clients that are served now.
    public var open: UInt64 = 0
    /// Clients that were served, and are gone.
    public var closed: UInt64 = 0
    /// Connections of users who may not: 403.
    public var refusedUsers: UInt64 = 0
    /// Connections beyond the most: 503.
    public var refusedClients: UInt64 = 0

    /// Of the closed: no whole head in time.
    public var timedOut: UInt64 = 0
    /// Of the closed: silent for too long after a reply.
    public var idled: UInt64 = 0
    /// Of the closed: they did not take what they had asked for.
    public var dropped: UInt64 = 0
    /// Of the closed: what they sent is no request that is served here (400, 405, 413, 431, 505).
    public var malformed: UInt64 = 0

    /// Requests so far: `waiting + answered + streams + turnedAway + abandoned`.
    public var requests: UInt64 = 0
    /// Replies that were written to their clients as a whole.
    public var answered: UInt64 = 0
    /// Replies without an end: feeds that began.
    public var streams: UInt64 = 0
    /// Requests beyond the most a second, or beyond the inbox: 503.
    public var turnedAway: UInt64 = 0
    /// Requests whose client was gone before it had its reply.
    public var abandoned: UInt64 = 0
    /// Requests without a reply so far.
    public var waiting: UInt64 { requests - answered - streams - turnedAway - abandoned }

    /// Nothing happened yet.
    public init() {}
}

/// The account while it is kept.
final class ServiceTally: Sendable {
    private let account = NIOLockedValueBox(ServiceAccount())

    var now: ServiceAccount { account.withLockedValue { $0 } }

    func add(_ change: (inout ServiceAccount) -> Void) { account.withLockedValue(change) }
}
