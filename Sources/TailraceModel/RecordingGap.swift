// SPDX-License-Identifier: MIT

/// A stretch of time that is not recorded, between two segments of a flight recording.
public struct RecordingGap: Sendable, Equatable {
    /// Up to when the one was recorded, ns since 1970.
    public var begin: Int64
    /// When the other one began.
    public var end: Int64
    /// Records that were made meanwhile; nil: nobody was there to count them.
    public var records: UInt64?

    /// All of it.
    public init(begin: Int64, end: Int64, records: UInt64?) {
        self.begin = begin
        self.end = end
        self.records = records
    }
}
