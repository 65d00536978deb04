// SPDX-License-Identifier: MIT
import TailraceModel

/// What the daemon answers on its socket: one object each (openapi.json).
public enum ServiceJSON {
    /// Servers, those that wait most first.
    public static func servers(_ snapshot: Snapshot) -> [UInt8] {
        document("servers", snapshot) { line in
            line.array("servers", snapshot.servers) { line, row in
                line.serverRow(row)
                line.pressure("pressure", row.pressure.all)
            }
        }
    }

    /// Open responses and the slowest that ended; `most` of each.
    public static func responses(_ snapshot: Snapshot, most: Int) -> [UInt8] {
        let anchor = snapshot.facts.anchor
        return document("responses", snapshot) { line in
            line.field("open_count", snapshot.totals.open)
            line.array("open", snapshot.open.prefix(most)) { $0.responseRow($1, anchor) }
            line.array("slowest_ended", snapshot.ended.prefix(most)) { $0.responseRow($1, anchor) }
        }
    }

    /// Connections, those that wait longest first.
    public static func connections(_ snapshot: Snapshot, most: Int) -> [UInt8] {
        document("connections", snapshot) { line in
            line.field("connection_count", snapshot.totals.connections)
            line.array("connections", snapshot.connections.prefix(most)) { $0.socketRow($1) }
        }
    }

    /// Open findings, the most severe first, then closed ones.
    public static func findings(_ snapshot: Snapshot) -> [UInt8] {
        let anchor = snapshot.facts.anchor
        return document("findings", snapshot) { line in
            line.array("findings", snapshot.findings) { $0.finding($1, anchor: anchor) }
        }
    }

    /// Pressure stall information for sends, by server and cause.
    public static func pressure(_ snapshot: Snapshot) -> [UInt8] {
        document("pressure", snapshot) { line in
            line.array("servers", snapshot.servers) { line, row in
                line.server(row.server)
                line.pressure("all", row.pressure.all)
                line.object("by_cause") { line in
                    for cause in WaitCause.allCases { line.pressure(cause.name, row.pressure[cause]) }
                }
            }
        }
    }

    /// The newest sample of each server, as `trace` tells it.
    public static func samples(_ samples: [ServerSample], _ snapshot: Snapshot, _ run: RunDescription) -> [UInt8] {
        let format = NDJSON(run: run)
        let anchor = snapshot.facts.anchor
        return document("samples", snapshot) { line in
            line.array("samples", json: samples.map { Array(format.sample($0, anchor: anchor).dropLast()) })
        }
    }

    /// One response, as `trace` tells it; nil: it is not known any more.
    public static func response(_ snapshot: Snapshot, _ run: RunDescription) -> [UInt8]? {
        guard let detail = snapshot.detail, let response = detail.response else { return nil }
        return NDJSON(run: run).response(response, anchor: snapshot.facts.anchor)
    }

    /// Whether it works, what it takes, and what it lost.
    public static func health(_ account: DaemonAccount, _ facts: RunFacts, at now: Nanoseconds) -> [UInt8] {
        var line = JSONLine(type: "health")
        line.field("at", wall: facts.anchor.wall(at: now))
        let level = account.breaker
        line.field("status", string: facts.loss.unseen > 0 || (level?.level ?? 0) > 0 ? "degraded" : "ok")
        line.field("version", string: account.version)
        line.field("started", wall: account.started)
        line.field("host", string: facts.host)
        line.field("kernel", string: facts.kernel)
        line.field("backend", string: facts.backend)
        line.field("target", string: facts.target)
        line.field("connections", account.connections)
        line.object("own_cost") {
            $0.field("core_share", number: facts.ownShare)
            $0.field("resident_bytes", account.residentBytes)
            $0.field("events_per_second", number: facts.eventsPerSecond)
        }
        line.object("detail") {
            $0.field("level", level?.level)
            $0.field("name", string: level?.name)
            $0.field("changes", level?.changes ?? 0)
        }
        line.events(facts.loss)
        line.object("loss") {
            $0.loss(facts.loss)
            $0.field("unattributed", account.unattributed ?? 0)
        }
        if let clients = account.service { line.object("clients") { $0.clients(clients) } }
        if let flight = account.flight { line.object("flight") { $0.flight(flight) } }
        if let otlp = account.otlp { line.object("otlp") { $0.otlp(otlp) } }
        return line.closed()
    }

    private static func document(_ type: StaticString, _ snapshot: Snapshot, _ fields: (inout JSONLine) -> Void)
        -> [UInt8]
    {
        var line = JSONLine(type: type)
        line.field("at", wall: snapshot.facts.anchor.wall(at: snapshot.at))
        fields(&line)
        line.object("loss") { $0.loss(snapshot.facts.loss) }
        return line.closed()
    }
}

extension JSONLine {
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
        field("problem", sentences: account.problem ?? "")
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
    }
}
