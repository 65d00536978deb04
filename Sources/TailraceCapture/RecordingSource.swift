// SPDX-License-Identifier: MIT
import TailraceModel

/// Replays a recording: the same events, in the same order, as the kernel told them.
///
///     let source = try RecordingSource(path: path)
///     while !source.isAtEnd {
///         source.drain { event in ... }   // one block
///         ...                             // source.anchor, source.loss() and source.now are as of here
///     }
public final class RecordingSource: EventSource {
    /// What the recording says of itself.
    public let description: RecordingDescription
    /// Wall time of what was drained last: re-sampled while it was recorded.
    public private(set) var anchor: ClockAnchor
    /// Time up to which the recording was replayed; at its end, when recording ended.
    public private(set) var now: Nanoseconds
    /// Nothing more comes.
    public private(set) var isAtEnd = false
    /// What was used so far, and how it ends.
    public private(set) var account = RecordingAccount()

    /// Opens a recording and reads its description.
    ///
    /// - Throws: `CaptureError` of kind `unreadable`: it is not there, is no recording, or is of a newer version.
    public init(path: String) throws(CaptureError) {
        throw CaptureError(.unreadable, "recordings are not there yet")
    }

    /// The events of the next block; blocks without any only move `now`, `anchor` and `loss()`.
    @discardableResult
    public func drain(_ handle: @escaping (KernelEvent) -> Void) -> Int { 0 }

    /// As the recorder counted it last; `dropped` and damage are in `account`.
    public func loss() -> Loss { Loss() }
}
