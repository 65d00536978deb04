// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// Bytes or writers wait, and the peer's window is what they wait for.
    static let slowConsumer = AnomalyCheck { window, limits in
        let age = limits.whole(.slowAge)
        let slow = window.connections.filter { connection in
            guard connection.wait >= age else { return false }
            // A stream of tokens has few bytes: that some wait for so long is enough.
            let isStill = connection.wait >= age.product(with: 2)
            let isFull =
                Int64(connection.sample.unsentBytes) >= limits.whole(.slowUnsent)
                || isStill && connection.sample.unsentBytes > 0
                    && connection.peerWindowShare ?? 0 >= ConnectionWindow.windowAlone
            let isHeld =
                connection.peerWindowShare.map { $0 >= limits[.slowShare] } ?? (connection.holder == .peerWindow)
            return isHeld && !connection.isHeldOnPath && (isFull || connection.sample.blocked > 0)
        }
        guard let worst = window.most(of: slow, by: \.wait) else { return nil }
        let unsent = slow.reduce(0) { $0 + Int64($1.sample.unsentBytes) }
        let held = slow.reduce(0) { $0 + Int64($1.sample.queuedBytes) }
        let clients = Set(window.connections.map(\.remote.host)).count
        let isMany = slow.count >= 10 || 2 * slow.count > window.connections.count && slow.count > 1
        return Symptom(
            isMany || held >= limits.whole(.pressureSum) ? .critical : .warning, held: slow.count,
            since: window.since(worst.wait),
            connection: worst.look.connection,
            evidence: [
                Evidence("connections", .count(Int64(window.connections.count))),
                Evidence("slow_connections", .count(Int64(slow.count))),
                Evidence("slow_clients", .count(Int64(Set(slow.map(\.remote.host)).count))),
                Evidence("clients", .count(Int64(clients))),
                Evidence("unsent_bytes", .bytes(unsent)),
                Evidence("unsent_share", .share(share(unsent, of: window.unsentBytes))),
                Evidence("kernel_memory_bytes", .bytes(held)),
                Evidence("peer", .text(worst.remote.description)),
                Evidence("peer_unsent_bytes", .bytes(Int64(worst.sample.unsentBytes))),
                Evidence("peer_waits_ns", .duration(worst.wait)),
                Evidence("peer_window_bytes", .bytes(Int64(worst.sample.peerWindow))),
                Evidence("drained_bytes_per_second", .bytesPerSecond(worst.taken?.drained.map { Int64(nearest: $0) })),
                Evidence("written_bytes_per_second", .bytesPerSecond(worst.taken?.written.map { Int64(nearest: $0) })),
                Evidence("takes_nothing_ns", .duration(worst.taken?.idle)),
                Evidence("peer_window_share", .share(worst.peerWindowShare)),
                Evidence("response", .text(worst.responseID)),
                Evidence("tasks_writing", .text(window.writing)),
            ],
            summary: sentence(window, slow, worst, unsent: unsent, held: held))
    }

    private static func share(_ part: Int64, of whole: Int64) -> Double? {
        whole > 0 ? Double(part) / Double(whole) : nil
    }

    private static func sentence(
        _ window: ServerWindow, _ slow: [ConnectionWindow], _ worst: ConnectionWindow, unsent: Int64, held: Int64
    ) -> String {
        let isOne = slow.count == 1
        var text = "\(slow.count) of \(Phrase.count(window.connections.count, "connection", "connections")) "
        text += "\(isOne ? "holds" : "hold") "
        if let share = share(unsent, of: window.unsentBytes) {
            text += "\(Phrase.percent(share)) of the \(Phrase.bytes(window.unsentBytes)) unsent "
            text += "and \(Phrase.bytes(held)) of kernel memory"
        } else {
            text += "\(Phrase.bytes(held)) of kernel memory, with \(isOne ? "its writer" : "their writers") waiting"
        }
        text += "; \(isOne ? "its client" : "the slowest"), \(worst.remote)\(Phrase.target(worst.look.response)), "
        text += pace(worst)
        text += ", and the server has waited \(Phrase.duration(worst.wait)): its window is full."
        if let writing = window.writing { text += " \(writing)." }
        return text
    }
}

extension AnomalyCheck {
    /// For less, a client may only take its bytes in lumps, ns.
    private static let idle: Int64 = 2_000_000_000

    private static func pace(_ worst: ConnectionWindow) -> String {
        guard let drained = worst.taken?.drained, let written = worst.taken?.written else { return "takes too little" }
        let idle = worst.taken?.idle ?? 0
        var text = "drains \(Phrase.rate(drained))"
        if idle >= Self.idle || drained < 1 { text = "has taken nothing for \(Phrase.duration(idle))" }
        if written > drained * 1.1 { text += " while the server writes \(Phrase.rate(written))" }
        return text
    }
}

extension ConnectionWindow {
    /// Of the response in the making.
    var responseID: String? {
        look.response.map { "\(String(look.connection.cookie, radix: 16))-\($0.number)" }
    }
}
