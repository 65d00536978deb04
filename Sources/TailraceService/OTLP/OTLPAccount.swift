// SPDX-License-Identifier: MIT

/// What became of every body that was to be sent: `offered` is the sum of `sent`, `queued` and the dropped.
public struct OTLPAccount: Sendable, Equatable {
    /// Bodies so far.
    public var offered: UInt64 = 0
    /// Taken by the collector.
    public var sent: UInt64 = 0
    /// Bodies' bytes that the collector took.
    public var sentBytes: UInt64 = 0
    /// Waiting, or on their way.
    public var queued: UInt64 = 0
    /// Their bytes.
    public var queuedBytes: UInt64 = 0
    /// Attempts after a body's first.
    public var retried: UInt64 = 0

    /// The queue was full: the oldest go.
    public var droppedFull: UInt64 = 0
    /// The collector did not take it within `OTLPQueue.longest`.
    public var droppedExpired: UInt64 = 0
    /// The collector will never take it.
    public var droppedRefused: UInt64 = 0
    /// Still there when the sender stopped.
    public var droppedStopped: UInt64 = 0

    /// Points and spans in bodies that were sent, and that the collector said it did not keep.
    public var rejected: UInt64 = 0
    /// Why the last attempt that failed did; nil: none did since the last that did not.
    public var failure: String?

    /// All causes.
    public var dropped: UInt64 { droppedFull + droppedExpired + droppedRefused + droppedStopped }

    /// Nothing happened yet.
    public init() {}
}
