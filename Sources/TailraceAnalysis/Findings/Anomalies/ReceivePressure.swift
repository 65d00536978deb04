// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// Requests wait in the server's own receive queue, or connections to be accepted.
    static let receivePressure = AnomalyCheck { window, limits in
        let limit = limits.whole(.receiveWait)
        let share = window.arrivals.share(from: limit)
        let late = Int64(nearest: share * Double(window.arrivals.count))
        // Who waits does not ask meanwhile: of clients that ask one after the other few are late, and all of them wait.
        let time = Double(window.arrivals.waits.sum(from: limit))
        let timeShare = min(1, time / max(1, Double(window.length) * Double(window.connections.count)))
        guard window.arrivals.count > 0, late >= 2, max(share, timeShare) >= limits[.receiveShare] else { return nil }
        let longest = window.arrivals.waits.max
        return Symptom(
            longest >= limit.product(with: 10) ? .critical : .warning, held: Int(late),
            connection: window.arrivals.worst,
            evidence: [
                Evidence("requests", .count(Int64(window.arrivals.count))),
                Evidence("late_requests", .count(late)),
                Evidence("late_share", .share(share)),
                Evidence("waiting_share", .share(timeShare)),
                Evidence("wait_p50_ns", .duration(window.arrivals.waits.p50)),
                Evidence("wait_max_ns", .duration(longest)),
                Evidence("in_flight", .count(Int64(window.inFlight))),
            ],
            summary: """
                \(late) of \(Phrase.count(window.arrivals.count, "request", "requests")) waited \(Phrase.duration(limit)) or \
                longer before the server read them, the longest \(Phrase.duration(longest)), with \(window.inFlight) in flight: \
                the server is slower to read than its clients are to ask.
                """)
    }
}
