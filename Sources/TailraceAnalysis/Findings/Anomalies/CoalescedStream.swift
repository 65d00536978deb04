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
            .warning, held: lumpy.count, connection: worst.connection.look.connection,
            evidence: [
                Evidence("coalesced_responses", .count(Int64(lumpy.count))),
                Evidence("responses", .count(Int64(open))),
                Evidence("flushes_per_lump", .number(worst.size)),
                Evidence("gap_sent_p50_ns", .duration(worst.sent)),
                Evidence("between_lumps_ns", .duration(worst.between)),
                Evidence("queue_mean_ns", .duration(worst.queued)),
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
        let queued: Int64
        private static let fewest: Int64 = 20
        /// No peer delays its ACK for longer (TCP_DELACK_MAX is 200 ms): what comes in lumps further apart was in lumps.
        private static let delayedACK: Int64 = 250_000_000

        init?(_ connection: ConnectionWindow, _ limits: Thresholds) {
            // A client that reads in lumps has them of its own making; it is a slow consumer, or none. The response is large, and
            // most are in no lumps: nothing of it is copied before that is known.
            let look = connection.look
            guard connection.peerWindowShare ?? 0 < 0.5, look.response?.flushes ?? 0 >= Self.fewest,
                look.response?.gapAcked.count ?? 0 >= 5, let sent = look.response?.gapSent.p50,
                sent >= limits.whole(.coalescedGap), Self.mayBeLumps(look, below: sent / 4, limits[.coalescedLump]),
                let response = look.response,
                // Written steadily: the server itself does not write in lumps.
                let wide = response.gapSent.quantile(0.75), wide <= 3 * sent, let queued = response.queue.mean
            else { return nil }
            let lumps = max(
                1, (1 - Self.share(of: response.gapAcked, below: sent / 4)) * Double(response.gapAcked.count))
            size = Double(response.flushes) / lumps
            between = Int64(nearest: Double(response.gapAcked.sum) / lumps)
            // A delayed ACK alone is no lump: the bytes were there.
            guard size >= limits[.coalescedLump], between >= 2 * sent, queued >= sent / 2 || between >= Self.delayedACK
            else { return nil }
            self.connection = connection
            self.sent = sent
            self.queued = queued
        }

        /// Whether so many gaps are below `limit` that lumps of `size` are possible: to a percent, as `share` is.
        private static func mayBeLumps(_ look: ConnectionLook, below limit: Int64, _ size: Double) -> Bool {
            let (flushes, gaps) = (look.response?.flushes ?? 0, look.response?.gapAcked.count ?? 0)
            let needed = 1 - Double(flushes) / size / Double(max(1, gaps))
            guard needed > 0 else { return true }
            return look.response?.gapAcked.quantile((needed * 100).rounded(.up) / 100) ?? .max < limit
        }

        /// To a percent.
        private static func share(of values: Distribution, below limit: Int64) -> Double {
            var (low, high) = (0, 100)
            while low < high {
                let middle = (low + high + 1) / 2
                if values.quantile(Double(middle) / 100) ?? .max < limit { low = middle } else { high = middle - 1 }
            }
            return Double(low) / 100
        }
    }
}
