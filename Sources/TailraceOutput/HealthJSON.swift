// SPDX-License-Identifier: MIT
import FoundationEssentials
import TailraceModel

extension ServiceJSON {
    /// Whether the daemon works, what it takes, and what it lost. `reasons`: sentences that say what is less than it should be.
    public static func health(
        _ account: DaemonAccount, _ facts: RunFacts, _ run: RunDescription, reasons: [String], at now: Nanoseconds
    ) -> [UInt8] {
        var line = JSONLine(type: "health")
        line.field("at", wall: facts.anchor.wall(at: now))
        let loss = account.loss ?? facts.loss
        line.field("status", string: reasons.isEmpty ? "ok" : "degraded")
        line.array("reasons", strings: reasons)
        line.run(run)
        line.field("started", wall: account.started)
        line.field("connections", account.connections)
        line.object("own_cost") {
            $0.field("core_share", number: facts.ownShare)
            $0.field("resident_bytes", account.residentBytes)
            $0.field("events_per_second", number: facts.eventsPerSecond)
        }
        line.object("detail") {
            $0.field("level", account.breaker?.level)
            $0.field("name", string: account.breaker?.name)
            $0.field("changes", account.breaker.map { Int64(clamping: $0.changes) })
        }
        line.events(loss)
        line.object("loss") {
            $0.loss(loss)
            $0.field("unattributed", account.unattributed.map { Int64(clamping: $0) })
        }
        line.optional("clients", account.service) { $0.clients($1) }
        line.optional("task_reader", account.taskReader) {
            $0.field("reading", $1.isReading)
            $0.field("ended", $1.ended)
        }
        line.optional("flight", account.flight) { $0.flight($1) }
        line.optional("otlp", account.otlp) { $0.otlp($1) }
        return line.closed()
    }
}

extension ServiceJSON {
    private struct Health: Decodable { let target: TracedTarget }

    /// What a daemon traces, by its health; nil: it does not say.
    public static func target(inHealth bytes: [UInt8]) -> TracedTarget? {
        (try? JSONDecoder().decode(Health.self, from: Data(bytes)))?.target
    }
}

extension JSONLine {
    fileprivate mutating func optional<Value>(
        _ name: StaticString, _ value: Value?, _ fields: (inout JSONLine, Value) -> Void
    ) {
        guard let value else { return null(name) }
        object(name) { fields(&$0, value) }
    }

    fileprivate mutating func clients(_ counts: DaemonAccount.ServiceCounts) {
        field("open", counts.open)
        field("accepted", counts.accepted)
        field("refused_users", counts.refusedUsers)
        field("refused_for_room", counts.refusedForRoom)
        field("dropped_slow", counts.droppedSlow)
        field("malformed", counts.malformed)
        field("timed_out", counts.timedOut)
    }

    fileprivate mutating func flight(_ account: FlightAccount) {
        field("recording", account.isRecording)
        field("problem", string: account.problem)
        field("records", account.records)
        field("dropped", account.dropped)
        field("dropped_since", wall: account.droppedSince)
        field("gaps", account.gaps)
        field("segments", account.segments)
        field("bytes", Int64(clamping: account.bytes))
        field("oldest", wall: account.oldest)
        field("removed", account.removed)
        field("pins", account.pins)
        field("pinned_segments", account.pinnedSegments)
        field("pinned_bytes", Int64(clamping: account.pinnedBytes))
        field("pinned_removed", account.pinnedRemoved)
    }

    fileprivate mutating func otlp(_ counts: DaemonAccount.OTLPCounts) {
        field("sent", counts.sent)
        field("retried", counts.retried)
        field("dropped", counts.dropped)
        field("unsent_spans", counts.unsentSpans)
        field("queued_bytes", counts.queuedBytes)
        field("sent_bytes", counts.sentBytes)
        field("failure", string: counts.failure)
    }
}
