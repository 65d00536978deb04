// SPDX-License-Identifier: MIT
import TailraceModel

/// Cuts the time from `begin` to `end` into stages, without a gap and without overlap. The stages stay where they are: they
/// are many bytes.
///
/// Time moves forward only: each boundary is at or after the one before it, whatever order the marks came in, so the stages
/// sum to the duration by construction.
struct Timeline {
    private var cursor: Nanoseconds
    private let end: Nanoseconds

    /// Begins at `begin`; nothing is told beyond `end`.
    init(begin: Nanoseconds, end: Nanoseconds) {
        cursor = begin
        self.end = max(begin, end)
    }

    /// The time since the last boundary was spent in `stage`; the new boundary is `mark`. A mark of 0 is not known, and
    /// moves nothing.
    @inline(__always)
    mutating func advance(_ stages: inout StageTimes, to mark: Nanoseconds, in stage: Stage) {
        guard mark > cursor else { return }
        let boundary = min(mark, end)
        stages.add(max(0, boundary - cursor), to: stage)
        cursor = max(cursor, boundary)
    }

    /// The time until `mark` holds `send` and `blocked` ns of these two stages; the rest of it was the server's own.
    @inline(__always)
    mutating func advance(_ stages: inout StageTimes, to mark: Nanoseconds, sending send: Int64, blocked: Int64) {
        let span = max(0, min(mark, end) - cursor)
        let blockedPart = min(max(0, blocked), span)
        let sendPart = min(max(0, send), span - blockedPart)
        stages.add(blockedPart, to: .blocked)
        stages.add(sendPart, to: .send)
        stages.add(span - blockedPart - sendPart, to: .app)
        cursor += span
    }

    /// What is left until the end was spent in `stage`.
    @inline(__always)
    mutating func finish(_ stages: inout StageTimes, in stage: Stage) {
        advance(&stages, to: end, in: stage)
    }
}
