// SPDX-License-Identifier: MIT
import TailraceModel

/// What the dashboard shows, as a table of whole lines: for pipes, logs and terminals that cannot place a cursor.
public enum SnapshotText {
    /// Open responses that are listed.
    private static let most = 10

    /// One moment, up to an empty line. `width`: columns.
    public static func table(_ snapshot: Snapshot, width: Int = 120) -> String {
        let facts = snapshot.facts
        let totals = snapshot.totals
        var text = "\(Timestamp.rfc3339(facts.anchor.wall(at: snapshot.at)))  \(totals.open) open, "
        text += "\(Quantity.count(totals.ended)) ended; \(Quantity.size(totals.unsentBytes)) unsent, longest wait "
        text += "\(Quantity.duration(totals.wait)); \(totals.blockedWriters) writers blocked; "
        text += "\(totals.tasks.map { Quantity.count(Int64($0)) } ?? "-") tasks; "
        text += facts.loss.isAny ? "\(facts.loss.unseen + facts.loss.unrecorded) LOST\n" : "none lost\n"
        text += "  \(Sanitizer.visible(snapshot.verdict.sentence))\n"
        if snapshot.responses.count > 0 { text += stages(snapshot.responses).text(width: width) }
        if !snapshot.open.isEmpty { text += responses(snapshot.open).text(width: width) }
        for finding in snapshot.findings where finding.end == nil {
            text +=
                "  \(finding.severity.rawValue) \(finding.anomaly.rawValue): \(Sanitizer.visible(finding.summary))\n"
        }
        return ascii(text) + "\n"
    }

    private static func stages(_ table: StageTable) -> TextTable {
        var rows = TextTable([
            .text("STAGE"), .number("P50"), .number("P99"), .number("MAX"), .number("OF THE SLOWEST"),
        ])
        for row in table.rows {
            rows.add([
                row.stage.rawValue, Quantity.duration(row.times.p50),
                table.count >= 100 ? Quantity.duration(row.times.p99) : "-", Quantity.duration(row.times.max),
                Quantity.percent(row.slowShare),
            ])
        }
        return rows
    }

    private static func responses(_ open: [ResponseRow]) -> TextTable {
        var rows = TextTable([
            .number("WAIT"), .text("HELD BY"), .text("STAGE"), .number("UNSENT"), .number("AGE"), .text("PEER"),
            .text("SERVER"), .text("REQUEST", gives: true),
        ])
        for row in open.prefix(most) {
            rows.add([
                Quantity.duration(row.wait), row.holder.word, row.stage.rawValue, Quantity.size(row.unsentBytes),
                Quantity.duration(row.duration), row.remote.description, Sanitizer.visible(row.serverName),
                Sanitizer.visible(row.request),
            ])
        }
        if open.count > most { rows.add(across: "and \(open.count - most) more") }
        return rows
    }

    /// Where nobody knows what is read with what: each other character becomes `?`.
    private static func ascii(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.isASCII ? $0 : "?" }))
    }
}
