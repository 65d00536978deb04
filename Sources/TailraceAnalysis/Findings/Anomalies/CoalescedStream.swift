// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// Flushes of a stream that is written steadily reach the peer several at once.
    static let coalescedStream = AnomalyCheck { window, limits in
        let lumpy = window.connections.compactMap { Lumps($0, limits) }
        guard
            let worst = lumpy.max(by: {
                ($0.size, $1.connection.look.connection.cookie) < ($1.size, $0.connection.look.connection.cookie)
            })
        else { return nil }
        let open = window.open
        return Symptom(
            .warning, connection: worst.connection.look.connection,
            evidence: [
                Evidence("coalesced_responses", .count(Int64(lumpy.count))),
                Evidence("responses", .count(Int64(open))),
                Evidence("flushes_per_lump", .number(worst.size)),
                Evidence("gap_sent_p50_ns", .duration(worst.sent)),
                Evidence("gap_acked_p95_ns", .duration(worst.between)),
                Evidence("peer", .text(worst.connection.remote.description)),
                Evidence("response", .text(worst.connection.responseID)),
            ],
            summary: """
                \(lumpy.count) of \(Phrase.count(open, "open response", "open responses")) \
                \(lumpy.count == 1 ? "reaches its client" : "reach their clients") in lumps: the server writes every \
                \(Phrase.duration(worst.sent))\(Phrase.target(worst.connection.look.response)), and \
                \(worst.connection.remote) has about \(Phrase.digits(worst.size)) flushes at once, \
                \(Phrase.duration(worst.between)) apart.
                """)
    }

    private struct Lumps {
        let connection: ConnectionWindow
        /// Mean number of flushes that are acknowledged together.
        let size: Double
        let sent: Int64
        let between: Int64
        private static let fewest: Int64 = 20

        init?(_ connection: ConnectionWindow, _ limits: Thresholds) {
            guard let response = connection.look.response, response.gapSent.count >= Self.fewest,
                response.gapAcked.count >= Self.fewest, let sent = response.gapSent.p50,
                sent >= limits.whole(.coalescedGap), let wide = response.gapSent.quantile(0.9), wide <= 3 * sent,
                let between = response.gapAcked.quantile(0.95), between >= 2 * sent
            else { return nil }
            // The share of ACK gaps that are next to nothing says how many flushes come together.
            var share = 0.0
            for percent in 1...99 where response.gapAcked.quantile(Double(percent) / 100) ?? .max < sent / 4 {
                share = Double(percent) / 100
            }
            size = 1 / (1 - share)
            guard size >= limits[.coalescedLump] else { return nil }
            self.connection = connection
            self.sent = sent
            self.between = between
        }
    }
}
