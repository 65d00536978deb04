// SPDX-License-Identifier: MIT
import TailraceModel

/// What the dashboard shows, for programs: one object a line (DESIGN, "JSON").
public enum SnapshotJSON {
    /// Everything: `snapshot`.
    public static func whole(_ snapshot: Snapshot) -> [UInt8] {
        let anchor = snapshot.facts.anchor
        var line = JSONLine(type: "snapshot")
        line.field("at", wall: anchor.wall(at: snapshot.at))
        line.field("host", string: snapshot.facts.host)
        line.field("kernel", string: snapshot.facts.kernel)
        line.field("backend", string: snapshot.facts.backend)
        line.field("traced", string: snapshot.facts.target)
        line.object("own_cost") {
            $0.field("core_share", number: snapshot.facts.ownShare)
            $0.field("resident_bytes", snapshot.facts.ownBytes)
            $0.field("events_per_second", number: snapshot.facts.eventsPerSecond)
        }
        if let level = snapshot.facts.detail { line.object("detail") { $0.detail(level) } } else { line.null("detail") }
        line.field("verdict", sentences: snapshot.verdict.sentence)
        line.object("totals") { $0.totals(snapshot.totals) }
        line.object("responses") { $0.stages(snapshot.responses) }
        line.object("flushes") { $0.stages(snapshot.flushes) }
        line.array("servers", snapshot.servers) { $0.serverRow($1) }
        line.array("open", snapshot.open) { $0.responseRow($1, anchor) }
        line.array("slowest_ended", snapshot.ended) { $0.responseRow($1, anchor) }
        line.array("connections", snapshot.connections) { $0.socketRow($1, anchor) }
        line.array("findings", snapshot.findings) { $0.finding($1, anchor: anchor) }
        line.object("loss") { $0.loss(snapshot.facts.loss) }
        return line.closed()
    }

    /// A row of a list of responses: `row`.
    public static func row(_ row: ResponseRow, anchor: ClockAnchor) -> [UInt8] {
        Self.row("response") { $0.responseRow(row, anchor) }
    }

    /// A connection: `row`.
    public static func row(_ row: SocketRow, anchor: ClockAnchor) -> [UInt8] {
        Self.row("connection") { $0.socketRow(row, anchor) }
    }

    /// A server: `row`.
    public static func row(_ row: ServerRow) -> [UInt8] { Self.row("server") { $0.serverRow(row) } }

    private static func row(_ kind: StaticString, _ fields: (inout JSONLine) -> Void) -> [UInt8] {
        var line = JSONLine(type: "row")
        line.field("of", string: kind.description)
        fields(&line)
        return line.closed()
    }

    /// A finding, as `trace` tells it.
    public static func row(_ finding: Finding, anchor: ClockAnchor) -> [UInt8] {
        var line = JSONLine(type: "finding")
        line.finding(finding, anchor: anchor)
        return line.closed()
    }
}

extension JSONLine {
    fileprivate mutating func totals(_ totals: SnapshotTotals) {
        field("open", totals.open)
        field("connections", totals.connections)
        field("blocked_writers", totals.blockedWriters)
        field("queued_bytes", totals.queuedBytes)
        field("unsent_bytes", totals.unsentBytes)
        field("unacked_bytes", totals.unackedBytes)
        field("longest_wait_ns", totals.wait)
        field("clients_gone", totals.clientsGone)
        field("tasks", totals.tasks)
        field("ended", totals.ended)
        field("ended_per_second", number: totals.endedPerSecond)
        field("bytes_per_second", number: totals.bytesPerSecond)
        field("retransmits_per_second", number: totals.retransmitsPerSecond)
        object("stages") { line in
            for stage in Stage.allCases { line.field(named: stage.rawValue, totals.stages[stage.index]) }
        }
    }

    fileprivate mutating func stages(_ table: StageTable) {
        field("count", table.count)
        field("slow_count", table.slowCount)
        field("slow_from_ns", table.slowFrom)
        array("stages", table.rows) { line, row in
            line.field("stage", string: row.stage.rawValue)
            line.distribution("times_ns", row.times)
            line.field("slow_share", share: row.slowShare)
            line.field("rho", number: row.rho)
        }
    }
}
