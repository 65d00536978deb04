// SPDX-License-Identifier: MIT
import TailraceModel

/// How much a flight recorder keeps.
public struct FlightLimits: Sendable, Equatable {
    /// Largest size of all segments on the disk, bytes, from 1 MiB.
    public var bytes: UInt64 = 256 << 20
    /// Largest size of the pinned ones, beyond that, bytes. 0: none is pinned.
    public var pinnedBytes: UInt64 = 128 << 20
    /// Longest time in one segment, ns.
    public var segment: Nanoseconds = 30_000_000_000
    /// Share of the file system that is left free, 0...1.
    public var keptFree = 0.05
    /// What is pinned before a finding opened, and after it closed, ns.
    public var before: Nanoseconds = 60_000_000_000
    /// See `before`.
    public var after: Nanoseconds = 30_000_000_000
    /// A finding that does not close is pinned for no longer, ns.
    public var longestPin: Nanoseconds = 600_000_000_000

    /// As by default.
    public init() {}

    /// A segment that has become so large is followed by the next one, bytes: an eighth, so that what is removed for the
    /// newest is a small part.
    var segmentBytes: UInt64 { max(bytes / 8, 256 << 10) }
}
