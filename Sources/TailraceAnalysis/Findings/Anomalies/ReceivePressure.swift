// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// Requests wait in the server's own receive queue, or connections to be accepted: those that it took meanwhile, and those
    /// that wait still.
    static let receivePressure = AnomalyCheck { window, limits in
        let late = Lateness(window, limits.whole(.receiveWait))
        guard late.isMany, max(late.share, late.timeShare) >= limits[.receiveShare] else { return nil }
        return Symptom(
            late.longest >= late.limit.product(with: 10) ? .critical : .warning, held: late.count,
            since: late.now.isEmpty ? nil : window.since(late.longestNow),
            connection: late.worst?.connection ?? window.arrivals.worst,
            evidence: [
                Evidence("requests", .count(Int64(window.arrivals.count))),
                Evidence("late_requests", .count(Int64(late.count))),
                Evidence("late_share", .share(late.share)),
                Evidence("waiting_share", .share(late.timeShare)),
                Evidence("unaccepted_connections", .count(Int64(late.unaccepted))),
                Evidence("unread_requests", .count(Int64(late.now.count - late.unaccepted))),
                Evidence("peer", .text((late.worst?.connection ?? window.arrivals.worst)?.remote.description)),
                Evidence("wait_p50_ns", .duration(window.arrivals.waits.p50)),
                Evidence("wait_max_ns", .duration(late.longest)),
                Evidence("in_flight", .count(Int64(window.inFlight))),
            ],
            summary: late.now.isEmpty ? late.past(window) : late.present(window))
    }

    private struct Lateness {
        let limit: Int64
        /// Those that wait still, and have for so long.
        let now: [WaitingConnection]
        let unaccepted: Int
        let worst: WaitingConnection?
        /// Of these and of the arrivals.
        let count: Int
        let share: Double
        /// Of the connections' time. Who waits does not ask meanwhile: of clients that ask one after the other few are late, and
        /// all of them wait.
        let timeShare: Double
        let longest: Int64
        /// Waits for longer than that are told of a single one, where nothing was taken meanwhile.
        private static let alone: Int64 = 20

        init(_ window: ServerWindow, _ limit: Int64) {
            self.limit = limit
            now = window.waiting.filter { $0.wait >= limit }
            unaccepted = now.count { !$0.isAccepted }
            worst = now.max { ($0.wait, $1.connection.cookie) < ($1.wait, $0.connection.cookie) }
            let arrivals = window.arrivals
            let past = Int64(nearest: arrivals.share(from: limit) * Double(arrivals.count))
            count = Int(past) + now.count
            share = Double(count) / Double(max(1, arrivals.count + window.waiting.count))
            let time = now.reduce(Double(arrivals.waits.sum(from: limit))) { $0 + Double(min($1.wait, window.length)) }
            // A connection may have come and gone meanwhile.
            let connections = max(window.connections.count + unaccepted, arrivals.firsts)
            timeShare = min(1, time / max(1, Double(window.length) * Double(connections)))
            longest = max(arrivals.waits.max, worst?.wait ?? 0)
        }

        var longestNow: Int64 { worst?.wait ?? 0 }

        var isMany: Bool { count >= 2 || count == 1 && longestNow >= limit.product(with: Self.alone) && share == 1 }

        func past(_ window: ServerWindow) -> String {
            """
            \(count) of \(Phrase.count(window.arrivals.count, "request", "requests")) waited \(Phrase.duration(limit)) or \
            longer before the server read them, the longest \(Phrase.duration(longest)), with \(window.inFlight) in flight: \
            the server is slower to read than its clients are to ask.
            """
        }

        func present(_ window: ServerWindow) -> String {
            let unread = now.count - unaccepted
            var text = ""
            if unaccepted > 0 {
                text += "\(Phrase.count(unaccepted, "connection waits", "connections wait")) for the server to accept "
                text += "\(unaccepted == 1 ? "it" : "them")"
            }
            if unread > 0 {
                text += unaccepted > 0 ? ", and " : ""
                text += "\(Phrase.count(unread, "request waits", "requests wait")) "
                text += "for \(unaccepted > 0 ? "it" : "the server") to read \(unread == 1 ? "it" : "them")"
            }
            text += ", the longest for \(Phrase.duration(longestNow))"
            if let worst { text += " (\(worst.connection.remote))" }
            text += ", while it read \(window.arrivals.count) and has \(window.inFlight) in flight: "
            let isHung = window.arrivals.count == 0
            return text + (isHung ? "it takes nothing." : "it is slower to read than its clients are to ask.")
        }
    }
}
