// SPDX-License-Identifier: MIT
import TailraceModel

/// One flush's way, from its send call to its ACK. Where several calls share a record, the last of them is the sample.
struct DeliveryStages {
    let send: Int64
    /// nil: its mark was not reached, or not seen.
    let queue: Int64?
    let qdisc: Int64?
    let network: Int64?
    let total: Int64?
    private let isLoopback: Bool

    /// From the marks; they are put in order first, because the last byte often leaves before the send call returns.
    init(_ flush: FlushMarks) {
        let isQueued = flush.queued != 0 && flush.queued < flush.exit
        let left = max(flush.enter, isQueued ? flush.queued : flush.exit)
        send = left - flush.enter
        queue = flush.queued != 0 ? max(0, flush.queued - left) : nil
        let queued = max(left, flush.queued)
        qdisc = flush.transmitted != 0 && flush.queued != 0 ? max(0, flush.transmitted - queued) : nil
        let transmitted = max(queued, flush.transmitted)
        network = flush.acked != 0 && flush.transmitted != 0 ? max(0, flush.acked - transmitted) : nil
        total = flush.acked != 0 ? max(0, flush.acked - flush.enter) : nil
        isLoopback = flush.isLoopback
    }

    /// By stage; the driver's time is 0 on the loopback device, which has none, and else not known.
    var times: StageTimes {
        var times = StageTimes()
        times[.send] = send
        times[.queue] = queue
        times[.qdisc] = qdisc
        times[.driver] = isLoopback ? 0 : nil
        times[.network] = network
        return times
    }
}
