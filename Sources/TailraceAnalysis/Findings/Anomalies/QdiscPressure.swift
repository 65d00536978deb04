// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// Flushes wait with the device layer, or TCP holds back for it.
    static let qdiscPressure = AnomalyCheck { window, limits in
        let looked = window.connections.reduce(into: window.endedQdisc) { sum, connection in
            sum.time = sum.time.sum(with: connection.qdisc.time)
            sum.flushes += connection.qdisc.flushes
        }
        let held = window.connections.filter {
            $0.sample.unsentBytes > 0 && $0.holder == .qdisc && $0.sample.oldestUnsent >= limits.whole(.qdiscWait)
        }
        let mean = looked.flushes > 0 ? looked.time / looked.flushes : 0
        let isLong = looked.flushes >= 3 && mean >= limits.whole(.qdiscWait)
        guard isLong || !held.isEmpty else { return nil }
        let worst = window.most(of: held, by: { Int64($0.sample.unsentBytes) })
        let unsent = held.reduce(0) { $0 + Int64($1.sample.unsentBytes) }
        var text = "Flushes wait \(Phrase.duration(mean)) at the device (mean of \(looked.flushes))"
        if let worst {
            text += "; TCP holds back \(Phrase.bytes(unsent)) for it on "
            text += "\(Phrase.count(held.count, "connection", "connections")), most for \(worst.remote)"
        }
        return Symptom(
            mean >= limits.whole(.qdiscWait).product(with: 10) ? .critical : .warning,
            held: max(1, held.count), connection: worst?.look.connection,
            evidence: [
                Evidence("flushes", .count(looked.flushes)),
                Evidence("qdisc_mean_ns", .duration(looked.flushes > 0 ? mean : nil)),
                Evidence("held_connections", .count(Int64(held.count))),
                Evidence("held_bytes", .bytes(unsent)),
                Evidence("peer", .text(worst?.remote.description)),
                Evidence("some_avg10_share", .share(window.pressure[.qdisc].some.avg10 / 100)),
            ],
            summary: text + ": the device is slower than the server writes.")
    }
}
