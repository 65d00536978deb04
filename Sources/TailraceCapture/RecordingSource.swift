// SPDX-License-Identifier: MIT
import TailraceModel

/// A source of events that were recorded, here or elsewhere: it says where they come from.
public protocol RecordedSource: EventSource {
    /// What the recording says of itself.
    var description: RecordingDescription { get }
    /// Wall time of what was drained last: re-sampled while it was recorded.
    var anchor: ClockAnchor { get }
    /// Time up to which was drained; at its end, when recording ended.
    var now: Nanoseconds { get }
    /// Nothing more comes.
    var isAtEnd: Bool { get }
    /// What was used so far, and how it ends.
    var account: RecordingAccount { get }
}

/// Replays a recording: the same events, in the same order, as the kernel told them.
///
///     let source = try RecordingSource(path: path)
///     while !source.isAtEnd {
///         try source.drain { event in ... }   // one block
///         ...                                 // source.anchor, source.loss() and source.now are as of here
///     }
public final class RecordingSource: RecordedSource {
    /// Nothing more comes.
    public private(set) var isAtEnd = false
    private var reader: RecordingReader
    private let replay: RecordingReplay

    /// Opens a recording and reads its description.
    ///
    /// - Throws: `CaptureError` of kind `unreadable`: it is not there, is no recording, or is of another version.
    public init(path: String) throws(CaptureError) {
        reader = try RecordingReader(path: path)
        guard let block = try reader.next() else {
            throw CaptureError.unreadable(
                path, reader.size == 0 ? "it is empty" : "it is no recording of tailrace, or its beginning is damaged",
                "give the file that `tailrace record -o` wrote")
        }
        replay = try RecordingReplay(path, block)
    }

    /// What the recording says of itself.
    public var description: RecordingDescription { replay.description }
    /// Wall time of what was drained last: re-sampled while it was recorded.
    public var anchor: ClockAnchor { replay.anchor }
    /// Time up to which the recording was replayed; at its end, when recording ended.
    public var now: Nanoseconds { replay.now }

    /// When the newest record of a recording was made, from the heads of its blocks alone; nil: it has none.
    ///
    /// - Throws: `CaptureError` of kind `unreadable`.
    public static func end(of path: String) throws(CaptureError) -> Nanoseconds? {
        var reader = try RecordingReader(path: path)
        var end: Nanoseconds?
        while let block = try reader.next() {
            end = max(end ?? 0, Nanoseconds(block.header.last & (1 << 61 - 1)))
        }
        return end
    }

    /// What was used so far, and how it ends.
    public var account: RecordingAccount {
        var account = reader.account
        account.records = replay.records
        account.dropped = replay.dropped
        return account
    }

    /// The events of the next block; blocks without any only move `now`, `anchor` and `loss()`.
    ///
    /// - Throws: `CaptureError` of kind `unreadable` where the file cannot be read on.
    @discardableResult
    public func drain(_ handle: @escaping (KernelEvent) -> Void) throws(CaptureError) -> Int {
        guard let block = try reader.next() else {
            isAtEnd = true
            replay.end(handle)
            return 0
        }
        let taken = replay.take(block, missing: reader.account.missingRecords, handle)
        if taken == nil { reader.refuse(block) }
        return taken ?? 0
    }

    /// As the recorder counted it last, and what of the recording is missing.
    public func loss() -> Loss {
        var loss = replay.loss()
        loss.unrecorded = reader.account.missingRecords
        return loss
    }
}
