// SPDX-License-Identifier: MIT
import TailraceModel

/// Sees each record, and is told the time after each drain.
public protocol RecordingTap: RecordTap {
    /// After each drain.
    ///
    /// - Parameters:
    ///   - now: monotonic time, ns.
    ///   - anchor: both clocks.
    ///   - loss: the kernel side's counters; asked once a second at most.
    func tick(at now: Nanoseconds, anchor: ClockAnchor, loss: () -> Loss)
}

/// Sees each record as the ring holds it, each process that was looked up, and what is told of tasks among the records.
public protocol RecordTap: AnyObject {
    /// Before it is decoded. The bytes live no longer than the call.
    func take(_ record: UnsafeRawBufferPointer)
    /// After the record that named it first.
    func found(_ server: Server)
    /// Behind the records that it took so far.
    func take(_ told: TaskEvent)
}

/// What a recording took.
public struct RecordingSummary: Sendable, Equatable {
    /// Records that are in the file.
    public var records: UInt64 = 0
    /// Records that could not be written.
    public var dropped: UInt64 = 0
    /// Records that were no records.
    public var malformed: UInt64 = 0
    /// Size of the file.
    public var bytes: UInt64 = 0
    /// Size of the records in it before they were deflated.
    public var recordBytes: UInt64 = 0
    /// Its last block is written: it says itself what is missing in it.
    public var hasEnd = false

    /// Nothing yet.
    public init() {}
}
