// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// Clients are gone, and what served them is not: sockets in CLOSE_WAIT, and tasks that responses left behind where they
    /// are counted one by one. A client may close its half and read on: as long as it acknowledges, it is there.
    static let orphanedTasks = AnomalyCheck { window, limits in
        let grace = limits.whole(.orphanGrace)
        let held = window.connections.filter { connection in
            guard let fin = connection.look.clientFin, window.at - fin >= grace else { return false }
            return window.at - (connection.look.response?.acked ?? 0) >= grace
        }
        let left = window.leftBehind ?? 0
        guard let oldest = window.most(of: held, by: { window.at - ($0.look.clientFin ?? window.at) }) else {
            return left > 0 ? leftAlone(left, window) : nil
        }
        let age = window.at - (oldest.look.clientFin ?? window.at)
        var text = "\(Phrase.count(held.count, "connection is", "connections are")) still held whose "
        text += "\(held.count == 1 ? "client has" : "clients have") closed, the longest since \(Phrase.duration(age)) "
        text += "(\(oldest.remote)\(Phrase.target(oldest.look.response)))"
        if left > 0 { text += ", and \(Phrase.count(left, "task", "tasks")) of ended responses went on" }
        return Symptom(
            held.count + left >= 100 ? .critical : .warning, since: oldest.look.clientFin,
            connection: oldest.look.connection,
            evidence: evidence(held: held.count, left: window.leftBehind, oldest: age, peer: oldest.remote.description),
            summary: text + ": nobody reads what they would send.")
    }

    private static func leftAlone(_ left: Int, _ window: ServerWindow) -> Symptom {
        Symptom(
            left >= 100 ? .critical : .warning,
            evidence: evidence(held: 0, left: left, oldest: nil, peer: nil),
            summary: """
                \(Phrase.count(left, "task", "tasks")) of responses that ended in the last 10 s went on without a client for \
                2 s or longer.
                """)
    }

    private static func evidence(held: Int, left: Int?, oldest: Int64?, peer: String?) -> [Evidence] {
        [
            Evidence("held_connections", .count(Int64(held))),
            Evidence("oldest_ns", .duration(oldest)),
            Evidence("tasks_left_behind", .count(left.map(Int64.init))),
            Evidence("peer", .text(peer)),
        ]
    }
}
