// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceModel
import TailraceOutput

/// What the demo prints at its end.
final class DemoReport {
    private let scenarios: [DemoScenario]
    private var pictures: [String: StagePicture] = [:]
    private var flushes: [String: [Flush]] = [:]
    private var queue = QueueTable()

    init(scenarios: [DemoScenario]) { self.scenarios = scenarios }

    func take(_ actions: borrowing Actions) {
        // A flush knows its response, and the response its path only when it has ended.
        if let flush = actions.flush { flushes[flush.response, default: []].append(flush) }
        for response in actions.ended {
            pictures[response.target ?? "-", default: StagePicture()].add(response)
            let own = flushes.removeValue(forKey: response.id) ?? []
            if response.target == "/bursts" { own.forEach { queue.add($0) } }
        }
    }

    func text(loss: Loss) -> String {
        var text = "\nWhere the time of the responses went, from the request's first byte to the ACK of the last:\n\n"
        for scenario in scenarios {
            guard let picture = pictures[scenario.path] else { continue }
            text += "\(scenario.path.padded(to: 10)) \(scenario.meaning)\n"
            let count = "\(picture.responses) response\(picture.responses == 1 ? "" : "s")"
            text += "  [\(picture.bar)] \(count), mean \(Quantity.duration(picture.mean))\n"
            text += "  \(picture.shares)\(picture.cause.map { "; " + $0 } ?? "")\n\n"
        }
        text += "  \(StagePicture.legend)\n"
        if queue.rows.contains(where: { $0.flushes > 0 }) { text += queueText() }
        let losses = loss.isAny ? "\(loss.lostTotal + loss.missed) lost" : "none lost"
        return text + "\n\(loss.made) events made by the kernel side, \(loss.delivered) delivered, \(losses).\n"
    }

    private func queueText() -> String {
        var text = "\nFlushes of /bursts by sk_wmem_queued when their send call returned."
        if let rate = queue.drainRate {
            text += " The client takes \(Quantity.size(Int64(rate)))/s (\(Int((rate * 8 / 1e6).rounded())) Mbit/s):"
        }
        text += "\n\n"
        text += "  QUEUED        FLUSHES  WAITED IN WRITE QUEUE  UNSENT BYTES  UNSENT / DRAIN RATE\n"
        for row in queue.rows where row.flushes > 0 {
            let range = row.upTo.map { "<= \(Quantity.size($0))" } ?? "more"
            text += "  \(range.padded(to: 12)) \("\(row.flushes)".rightAligned(to: 8))"
            text += Quantity.duration(row.meanWait).rightAligned(to: 23)
            text += Quantity.size(row.meanUnsent ?? 0).rightAligned(to: 14)
            text += Quantity.duration(queue.predictedWait(unsent: row.meanUnsent ?? 0)).rightAligned(to: 21) + "\n"
        }
        let (below, above) = (queue.sum(above: false), queue.sum(above: true))
        guard let low = below.meanWait, let high = above.meanWait, let unsent = above.meanUnsent else { return text }
        text +=
            "\n  Up to 128 KiB a flush waits \(Quantity.duration(low)) on average, above \(Quantity.duration(high)). "
        text +=
            "write() returned at once in both cases:\n  the bytes wait behind \(Quantity.size(unsent)) that nobody has taken yet, "
        text += "and at this drain rate that is \(Quantity.duration(queue.predictedWait(unsent: unsent))).\n"
        return text
    }
}
