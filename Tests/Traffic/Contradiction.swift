// SPDX-License-Identifier: MIT
import TailraceModel

extension Response {
    /// What is wrong with it by itself, whatever happened; nil: nothing.
    package var contradiction: String? {
        if timeline.total != duration { return "stages sum to \(timeline.total), duration is \(duration)" }
        if duration < 0 { return "duration \(duration)" }
        for stage in Stage.allCases where timeline[stage] ?? 0 < 0 { return "\(stage) is \(timeline[stage] ?? 0)" }
        let held = (timeline[.blocked] ?? 0) + (timeline[.queue] ?? 0)
        if causes.total != held { return "causes sum to \(causes.total), blocked and queue to \(held)" }
        for cause in WaitCause.allCases where causes[cause] < 0 { return "\(cause) is \(causes[cause])" }
        if state == .ended, endedBy == nil { return "ended by nothing" }
        if state == .open, endedBy != nil { return "open and ended" }
        if responseBytes < 0 || requestBytes < 0 || flushes < 0 { return "negative counts" }
        if let timeToFirstFlush, timeToFirstFlush < 0 { return "ttff \(timeToFirstFlush)" }
        if let ackDelay, ackDelay < 0 || ackDelay > timeline[.network] ?? 0 { return "ack delay \(ackDelay)" }
        for values in [
            delivery.send, delivery.queue, delivery.qdisc, delivery.network, delivery.total, gapSent, gapAcked,
        ]
        where values.count > 0 && (values.max < 0 || values.sum < values.max) {
            return "a distribution of \(values.sum)"
        }
        if inFlight.begin < 1 || inFlight.end < 1 || inFlight.max < max(inFlight.begin, inFlight.end) {
            return "in flight \(inFlight)"
        }
        return nil
    }
}
