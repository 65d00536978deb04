// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// An open response is silent for longer than its own habit makes usual. With bytes on the way it is the path or the peer;
    /// without, the server.
    static let stalledStream = AnomalyCheck(closesAfter: 2) { window, limits in
        let silent = window.connections.compactMap { connection in Silence(connection, limits) }
        guard
            let worst = silent.max(by: {
                ($0.time, $1.connection.look.connection.cookie) < ($1.time, $0.connection.look.connection.cookie)
            })
        else { return nil }
        let byServer = silent.filter { !$0.isPath }.count
        let open = window.open
        let who = worst.isPath ? Phrase.reason(worst.connection.holder) : "the server sends nothing"
        return Symptom(
            2 * silent.count > open && silent.count >= 3 ? .critical : .warning, held: silent.count,
            since: window.since(worst.time),
            connection: worst.connection.look.connection,
            evidence: [
                Evidence("stalled_responses", .count(Int64(silent.count))),
                Evidence("responses", .count(Int64(open))),
                Evidence("stalled_by_server", .count(Int64(byServer))),
                Evidence("stalled_by_path", .count(Int64(silent.count - byServer))),
                Evidence("silent_ns", .duration(worst.time)),
                Evidence("gap_p95_ns", .duration(worst.habit)),
                Evidence("cause", .text(worst.isPath ? worst.connection.holder.rawValue : "app")),
                Evidence("peer", .text(worst.connection.remote.description)),
                Evidence("response", .text(worst.connection.responseID)),
            ],
            summary: """
                \(silent.count) of \(Phrase.count(open, "open response", "open responses")) \
                \(silent.count == 1 ? "is" : "are") silent, the longest\(Phrase.target(worst.connection.look.response)) for \
                \(Phrase.duration(worst.time)), where its gaps are \(Phrase.duration(worst.habit)) (p95): \(who) \
                (\(worst.connection.remote)).
                """)
    }

    private struct Silence {
        let connection: ConnectionWindow
        let time: Int64
        let habit: Int64
        let isPath: Bool
        /// Gaps that make a habit.
        private static let habitual: Int64 = 10

        init?(_ connection: ConnectionWindow, _ limits: Thresholds) {
            let look = connection.look
            guard let sent = look.response?.sent, sent != 0, look.clientFin == nil else { return nil }
            isPath = look.sample.unsentBytes > 0 || look.sample.unackedBytes > 0
            let silent = look.sample.at - (isPath ? max(look.response?.acked ?? 0, sent) : sent)
            // A long flush is acknowledged as a whole, and its bytes one after the other.
            time = isPath ? min(silent, connection.taken?.idle ?? silent) : silent
            guard time >= limits.whole(.stallSilence), look.response?.gapSent.count ?? 0 >= Self.habitual,
                let habit = look.response?.gapSent.quantile(0.95), Double(time) >= limits[.stallFactor] * Double(habit)
            else { return nil }
            self.connection = connection
            self.habit = habit
        }
    }
}
