// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// Writers wait for room in send buffers, whatever holds the bytes. A steady reader lets its writer go on now and then: that
    /// is not the end of it.
    static let blockedWriters = AnomalyCheck(closesAfter: 10) { window, limits in
        let age = limits.whole(.blockedAge)
        let blocked = window.connections.filter { $0.sample.blocked >= age }
        guard let worst = window.most(of: blocked, by: \.sample.blocked) else { return nil }
        let open = max(window.open, blocked.count)
        let share = Double(blocked.count) / Double(open)
        let longest = worst.sample.blocked
        return Symptom(
            share > 0.5 && blocked.count >= 3 ? .critical : .warning, held: blocked.count, since: window.since(longest),
            connection: worst.look.connection,
            evidence: [
                Evidence("blocked_writers", .count(Int64(blocked.count))),
                Evidence("responses", .count(Int64(open))),
                Evidence("blocked_share", .share(share)),
                Evidence("longest_ns", .duration(longest)),
                Evidence("peer", .text(worst.remote.description)),
                Evidence("sndbuf_bytes", .bytes(Int64(worst.sample.sndbufBytes))),
                Evidence("cause", .text(worst.holder.rawValue)),
                Evidence("tasks_writing", .text(window.writing)),
            ],
            summary: """
                \(Phrase.count(blocked.count, "writer waits", "writers wait")) for room in the send buffer, \
                \(Phrase.percent(share)) of \(Phrase.count(open, "response", "responses")) in the making, the longest for \
                \(Phrase.duration(longest)) (\(worst.remote), sndbuf \(Phrase.bytes(Int64(worst.sample.sndbufBytes)))): \
                \(Phrase.reason(worst.holder)).\(window.writing.map { " \($0)." } ?? "")
                """)
    }
}
