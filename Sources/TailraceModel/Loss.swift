// SPDX-License-Identifier: MIT

/// What the kernel side made, and what of it did not arrive. Always counted, always shown.
public struct Loss: Equatable, Codable, Sendable {
    /// Records that were due, over all kinds.
    public var made: UInt64 = 0
    /// Records that reached this process.
    public var delivered: UInt64 = 0
    /// Records that the ring had no room for, by kind.
    public var lost: [String: UInt64] = [:]
    /// Firings that the kernel skipped because the same program was already running on that CPU.
    public var missed: UInt64 = 0
    /// Accepted connections beyond the limit, or for which there was no memory.
    public var untracked: UInt64 = 0
    /// Connections that were open before tracing began, and are followed since.
    public var adopted: UInt64 = 0
    /// Accepted connections that speak MPTCP: their bytes take a way that is not seen.
    public var untrackedMPTCP: UInt64 = 0
    /// Records that could not be decoded.
    public var undecodable: UInt64 = 0
    /// Records that reached a recorder and are not in its recording: the disk was full, or the file is damaged.
    public var unrecorded: UInt64 = 0
    /// Heads that could not be read: their responses have no method, status or framing.
    public var headsUnread: UInt64 = 0
    /// Send calls that share a record with another one.
    public var merged: UInt64 = 0

    /// Nothing made, nothing lost.
    public init() {}

    /// Records lost for want of room.
    public var lostTotal: UInt64 { lost.values.reduce(0, +) }
    /// Events and connections of which nothing was seen here.
    public var unseen: UInt64 { lostTotal + missed + untracked + untrackedMPTCP }
    /// Whether anything is missing from what was shown.
    public var isAny: Bool { unseen + undecodable + unrecorded > 0 }

    /// What came since `earlier`, an account of the same run.
    public func since(_ earlier: Loss) -> Loss { combined(earlier) { $0 - min($0, $1) } }

    /// With that of another part of the run.
    public func and(_ other: Loss) -> Loss { combined(other) { $0.addingReportingOverflow($1).partialValue } }

    private func combined(_ other: Loss, _ combine: (UInt64, UInt64) -> UInt64) -> Loss {
        var loss = Loss()
        for path in Self.counters { loss[keyPath: path] = combine(self[keyPath: path], other[keyPath: path]) }
        loss.lost = lost
        for kind in other.lost.keys where loss.lost[kind] == nil { loss.lost[kind] = 0 }
        for (kind, count) in loss.lost { loss.lost[kind] = combine(count, other.lost[kind] ?? 0) }
        return loss
    }

    private static var counters: [WritableKeyPath<Loss, UInt64>] {
        [
            \.made, \.delivered, \.missed, \.untracked, \.adopted, \.untrackedMPTCP, \.undecodable, \.unrecorded,
            \.headsUnread, \.merged,
        ]
    }
}

/// Pairs one instant of CLOCK_MONOTONIC with wall time; everything else stays monotonic.
public struct ClockAnchor: Equatable, Codable, Sendable {
    /// ns of CLOCK_MONOTONIC.
    public let monotonic: Nanoseconds
    /// ns since 1970, UTC.
    public let wall: Int64

    /// Both clocks, read together.
    public init(monotonic: Nanoseconds, wall: Int64) {
        self.monotonic = monotonic
        self.wall = wall
    }

    /// Wall time of a monotonic instant, ns since 1970.
    public func wall(at monotonic: Nanoseconds) -> Int64 { wall + (monotonic - self.monotonic) }
}
