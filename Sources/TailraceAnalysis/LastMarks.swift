// SPDX-License-Identifier: MIT
import TailraceModel

/// The marks of a response's newest flush, which the next one, or the end, is measured from.
struct LastMarks {
    var enter: Nanoseconds = 0
    /// 0: there was no flush.
    var exit: Nanoseconds = 0
    var queued: Nanoseconds = 0
    var transmitted: Nanoseconds = 0
    /// nil: not known.
    var driven: Nanoseconds?
    var acked: Nanoseconds = 0
    var isLoopback = false

    /// There was no flush.
    init() {}

    init(_ flush: FlushMarks) {
        enter = flush.enter
        exit = flush.exit
        queued = flush.queued
        transmitted = flush.transmitted
        driven = flush.leftDriver
        acked = flush.acked
        isLoopback = flush.isLoopback
    }

    /// Cuts what follows the request's read into stages, `send` and `blocked` ns of which were spent in send calls.
    func cut(_ timeline: inout Timeline, _ stages: inout StageTimes, send: Int64, blocked: Int64) {
        guard exit != 0 else { return timeline.finish(&stages, in: .app) }
        // The last byte may leave before its send call returns: from then on it is on its way.
        let left = queued != 0 && queued < exit ? queued : exit
        timeline.advance(&stages, to: left, sending: send - (exit - left), blocked: blocked)
        timeline.advance(&stages, to: queued, in: .queue)
        timeline.advance(&stages, to: transmitted, in: .qdisc)
        if let driven {
            timeline.advance(&stages, to: driven, in: .driver)
        } else if !isLoopback {
            stages[.driver] = nil
        }
        timeline.advance(&stages, to: acked, in: .network)
        timeline.finish(&stages, in: acked != 0 ? .app : transmitted != 0 ? .network : .queue)
    }
}
