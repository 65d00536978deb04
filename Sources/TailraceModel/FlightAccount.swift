// SPDX-License-Identifier: MIT

/// What a flight recorder has on the disk, and what it could not keep.
public struct FlightAccount: Sendable, Equatable {
    /// It is writing. Where it is not, `problem` says why.
    public var isRecording = false
    /// Why it does not write; nil: it does.
    public var problem: String?
    /// Records that this run wrote.
    public var records: UInt64 = 0
    /// Bytes that this run wrote.
    public var written: UInt64 = 0
    /// Records of this run that are in no segment: the disk was full, or failed.
    public var dropped: UInt64 = 0
    /// When the first record was dropped since it last wrote, ns since 1970; nil: none was.
    public var droppedSince: Int64?
    /// Stretches of time that are not recorded for that reason.
    public var gaps: UInt64 = 0
    /// Segments on the disk, the one that is being written included.
    public var segments = 0
    /// Their size on the disk, bytes: never more than the budget.
    public var bytes: UInt64 = 0
    /// When the oldest of them began, ns since 1970; nil: there is none.
    public var oldest: Int64?
    /// Segments that this run took away to keep the budget.
    public var removed: UInt64 = 0
    /// Findings whose surroundings this run pinned.
    public var pins: UInt64 = 0
    /// Pinned segments on the disk.
    public var pinnedSegments = 0
    /// What they hold of the budget for pinned ones, bytes.
    public var pinnedBytes: UInt64 = 0
    /// Pinned segments that this run took away to keep that budget.
    public var pinnedRemoved: UInt64 = 0

    /// Nothing recorded.
    public init() {}
}
