// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// Unsent bytes that grow old. Much in `sk_wmem_queued` alone is a notice: bytes that are on the way count in it.
    static let queuePressure = AnomalyCheck { window, limits in
        let (bytes, age) = (limits.whole(.pressureUnsent), limits.whole(.pressureAge))
        let pressed = window.connections.filter {
            Int64($0.sample.unsentBytes) >= bytes && $0.sample.oldestUnsent >= age
        }
        guard let worst = window.most(of: pressed, by: { Int64($0.sample.unsentBytes) }) else {
            return queuedAlone(window)
        }
        let unsent = pressed.reduce(0) { $0 + Int64($1.sample.unsentBytes) }
        let oldest = pressed.map(\.sample.oldestUnsent).max() ?? 0
        let isMuch = window.unsentBytes >= limits.whole(.pressureSum)
        return Symptom(
            isMuch ? .critical : .warning, held: pressed.count, since: window.since(oldest),
            connection: worst.look.connection,
            evidence: [
                Evidence("connections", .count(Int64(window.connections.count))),
                Evidence("pressed_connections", .count(Int64(pressed.count))),
                Evidence("unsent_bytes", .bytes(unsent)),
                Evidence("oldest_unsent_ns", .duration(oldest)),
                Evidence("queued_bytes", .bytes(pressed.reduce(0) { $0 + Int64($1.sample.queuedBytes) })),
                Evidence("peer", .text(worst.remote.description)),
                Evidence("peer_unsent_bytes", .bytes(Int64(worst.sample.unsentBytes))),
                Evidence("cause", .text(worst.holder.rawValue)),
                Evidence("some_avg10_share", .share(window.pressure.all.some.avg10 / 100)),
            ],
            summary: """
                \(Phrase.bytes(unsent)) wait unsent on \(pressed.count) of \
                \(Phrase.count(window.connections.count, "connection", "connections")), the oldest byte for \
                \(Phrase.duration(oldest)); most of it, \(Phrase.bytes(Int64(worst.sample.unsentBytes))), for \
                \(worst.remote)\(Phrase.target(worst.look.response)): \(Phrase.reason(worst.holder)).
                """)
    }

    private static func queuedAlone(_ window: ServerWindow) -> Symptom? {
        let full = window.connections.filter { $0.looksQueued >= 3 }
        guard let worst = window.most(of: full, by: { Int64($0.sample.queuedBytes) }) else { return nil }
        let queued = full.reduce(0) { $0 + Int64($1.sample.queuedBytes) }
        return Symptom(
            .notice, connection: worst.look.connection,
            evidence: [
                Evidence("connections", .count(Int64(window.connections.count))),
                Evidence("full_connections", .count(Int64(full.count))),
                Evidence("queued_bytes", .bytes(queued)),
                Evidence("unsent_bytes", .bytes(full.reduce(0) { $0 + Int64($1.sample.unsentBytes) })),
                Evidence("peer", .text(worst.remote.description)),
            ],
            summary: """
                \(Phrase.bytes(queued)) are in the send queues of \
                \(Phrase.count(full.count, "connection", "connections")), most of it for \(worst.remote), and move: bytes on \
                the way count too.
                """)
    }
}
