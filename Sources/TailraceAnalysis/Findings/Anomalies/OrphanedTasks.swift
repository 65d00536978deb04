// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// Clients are gone, and what served them is not: sockets in CLOSE_WAIT, sockets that a RST closed and whose descriptors are
    /// held, and tasks that responses left behind where they are counted one by one. A client may close its half and read on:
    /// as long as it acknowledges, it is there.
    static let orphanedTasks = AnomalyCheck { window, limits in
        let grace = limits.whole(.orphanGrace)
        let orphans =
            window.connections.compactMap { Orphan($0, window.at, grace) }
            + window.held.compactMap { Orphan($0, window.at, grace) }
        let left = window.leftBehind ?? 0
        let oldest = orphans.min { ($0.since, $0.connection.cookie) < ($1.since, $1.connection.cookie) }
        guard let oldest else { return left > 0 ? leftAlone(left, window) : nil }
        let age = window.at - oldest.since
        let resets = orphans.count(where: \.isReset)
        var text = "\(Phrase.count(orphans.count, "connection is", "connections are")) still held whose "
        text += "\(orphans.count == 1 ? "client has" : "clients have") \(how(resets, of: orphans.count)), "
        text += "the longest for \(oldest.isOlder ? "more than " : "")\(Phrase.duration(age)) "
        text += "(\(oldest.connection.remote)\(Phrase.target(oldest.response)))"
        if left > 0 { text += ", and \(Phrase.count(left, "task", "tasks")) of ended responses went on" }
        return Symptom(
            orphans.count + left >= 100 ? .critical : .warning, held: orphans.count + left, since: oldest.since,
            connection: oldest.connection,
            evidence: evidence(
                held: orphans.count, resets: resets, left: window.leftBehind, oldest: age,
                peer: oldest.connection.remote.description),
            summary: text + ": nobody reads what they would send.")
    }

    private struct Orphan {
        let connection: Connection
        let response: LookedResponse?
        let since: Nanoseconds
        let isReset: Bool
        /// It was so before `since`.
        let isOlder: Bool

        init?(_ window: ConnectionWindow, _ at: Nanoseconds, _ grace: Int64) {
            guard let fin = window.look.clientFin, at - fin >= grace,
                at - (window.look.response?.acked ?? 0) >= grace
            else { return nil }
            (connection, response, since, isReset) = (window.look.connection, window.look.response, fin, false)
            isOlder = window.look.isFinOlder
        }

        init?(_ held: HeldConnection, _ at: Nanoseconds, _ grace: Int64) {
            guard at - held.closed >= grace else { return nil }
            (connection, response, since, isReset) = (held.connection, held.response, held.closed, true)
            isOlder = false
        }
    }

    private static func how(_ resets: Int, of count: Int) -> String {
        resets == 0 ? "closed" : resets < count ? "closed or reset them" : count == 1 ? "reset it" : "reset them"
    }

    private static func leftAlone(_ left: Int, _ window: ServerWindow) -> Symptom {
        Symptom(
            left >= 100 ? .critical : .warning, held: left,
            evidence: evidence(held: 0, resets: 0, left: left, oldest: nil, peer: nil),
            summary: "\(Phrase.count(left, "task", "tasks")) of responses that have ended go on without a client.")
    }

    private static func evidence(held: Int, resets: Int, left: Int?, oldest: Int64?, peer: String?) -> [Evidence] {
        [
            Evidence("held_connections", .count(Int64(held))),
            Evidence("reset_connections", .count(Int64(resets))),
            Evidence("oldest_ns", .duration(oldest)),
            Evidence("tasks_left_behind", .count(left.map(Int64.init))),
            Evidence("peer", .text(peer)),
        ]
    }
}
