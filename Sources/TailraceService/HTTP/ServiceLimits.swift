// SPDX-License-Identifier: MIT
import TailraceModel

/// What the service gives its clients at most.
public struct ServiceLimits: Sendable {
    /// Clients of the unix socket at once; one more is refused with 503, unless another one has nothing to ask.
    public var clients = 16
    /// Of these, clients of one user who is neither root nor the service's own; one of all is kept for those two.
    public var clientsPerUser = 8
    /// The same over TCP, on top. Beside each of the two there is one place more for whoever asks about the health alone.
    public var remoteClients = 4
    /// Silent for so long after a reply, a client makes room for a new one where there is none.
    public var rest: Nanoseconds = 250_000_000
    /// The same for one that has never asked.
    public var firstRest: Nanoseconds = 1_000_000_000
    /// Of a request's line and fields: what is longer is refused with 431.
    public var headBytes = 8 << 10
    /// How long a client may take for a head, and be silent between two requests.
    public var idle: Nanoseconds = 10_000_000_000
    /// How long bytes may wait for a client that takes none of them.
    public var stalled: Nanoseconds = 30_000_000_000
    /// Of a feed, not yet taken by its client: with more it is dropped.
    public var feedBytes = 1 << 20
    /// Requests a second of all clients together, and as many at once; those beyond are refused with 503.
    public var requestsPerSecond = 100
    /// How long a client that was refused may take to read why.
    public var parting: Nanoseconds = 1_000_000_000
    /// Clients that were refused and have not read why yet, at most; those beyond are closed without a word.
    public var parted = 256

    /// The defaults.
    public init() {}
}
