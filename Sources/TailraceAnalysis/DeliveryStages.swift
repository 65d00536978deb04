// SPDX-License-Identifier: MIT
import TailraceModel

/// One flush's way, from its send call to its ACK. Where several calls share a record, the last of them is the sample.
struct DeliveryStages {
    let send: Int64
    /// nil: its mark was not reached, or not seen.
    let queue: Int64?
    let qdisc: Int64?
    /// 0 on the loopback device, which has none.
    let driver: Int64?
    let network: Int64?
    let total: Int64?

    /// From the marks; they are put in order first, because the last byte often leaves before the send call returns.
    init(_ flush: FlushMarks) {
        let isQueued = flush.queued != 0 && flush.queued < flush.exit
        let left = max(flush.enter, isQueued ? flush.queued : flush.exit)
        send = left - flush.enter
        queue = flush.queued != 0 ? max(0, flush.queued - left) : nil
        let queued = max(left, flush.queued)
        qdisc = flush.transmitted != 0 && flush.queued != 0 ? max(0, flush.transmitted - queued) : nil
        let transmitted = max(queued, flush.transmitted)
        let driven = flush.leftDriver.map { max(transmitted, $0) }
        driver = flush.isLoopback ? 0 : driven.map { $0 - transmitted }
        // The stages sum to the total whatever the marks say.
        let acked = max(driven ?? transmitted, flush.acked)
        network = flush.acked != 0 && flush.transmitted != 0 ? acked - (driven ?? transmitted) : nil
        total = flush.acked != 0 ? acked - flush.enter : nil
    }

    /// By stage.
    var times: StageTimes {
        var times = StageTimes()
        times[.send] = send
        times[.queue] = queue
        times[.qdisc] = qdisc
        times[.driver] = driver
        times[.network] = network
        return times
    }
}

extension FlushMarks {
    /// When its last byte left the driver, which an ACK may overtake; nil: not known, or the device is the loopback device.
    var leftDriver: Nanoseconds? {
        guard !isLoopback, driven >= transmitted, transmitted != 0 else { return nil }
        return acked != 0 ? min(driven, acked) : driven
    }
}
