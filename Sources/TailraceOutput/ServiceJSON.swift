// SPDX-License-Identifier: MIT
import TailraceModel

/// What the daemon answers on its socket: one object each (openapi.json).
public enum ServiceJSON {
    /// What can be asked.
    public static func paths(_ paths: [(path: String, parameters: [String], meaning: String)], version: String)
        -> [UInt8]
    {
        var line = JSONLine(type: "paths")
        line.field("version", string: version)
        line.array("paths", paths) { line, entry in
            line.field("path", string: entry.path)
            line.array("parameters", strings: entry.parameters)
            line.field("meaning", sentences: entry.meaning)
        }
        return line.closed()
    }

    /// Servers, those that wait most first.
    public static func servers(_ snapshot: Snapshot) -> [UInt8] {
        document("servers", snapshot) { $0.array("servers", snapshot.servers) { $0.serverRow($1) } }
    }

    /// Open responses and the slowest that ended.
    public static func responses(_ snapshot: Snapshot) -> [UInt8] {
        let anchor = snapshot.facts.anchor
        return document("responses", snapshot) { line in
            line.field("open_count", snapshot.totals.open)
            line.array("open", snapshot.open) { $0.responseRow($1, anchor) }
            line.array("slowest_ended", snapshot.ended) { $0.responseRow($1, anchor) }
        }
    }

    /// Connections, those that wait longest first.
    public static func connections(_ snapshot: Snapshot) -> [UInt8] {
        let anchor = snapshot.facts.anchor
        return document("connections", snapshot) { line in
            line.field("connection_count", snapshot.totals.connections)
            line.array("connections", snapshot.connections) { $0.socketRow($1, anchor) }
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
                line.object("server") { $0.server(row.server) }
                line.pressure("pressure", row.pressure.all)
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
            line.array("samples", json: samples.map { format.sample($0, anchor: anchor).dropLast() })
        }
    }

    /// One response as `trace` tells it, its connection, and its newest flushes; nil: it is not known any more.
    public static func detail(_ snapshot: Snapshot, _ run: RunDescription) -> [UInt8]? {
        guard let detail = snapshot.detail, let response = detail.response else { return nil }
        let (format, anchor) = (NDJSON(run: run), snapshot.facts.anchor)
        return document("detail", snapshot) { line in
            line.field("response", json: format.response(response, anchor: anchor).dropLast())
            if let socket = detail.socket {
                line.object("connection") { $0.socketRow(socket, anchor) }
            } else {
                line.null("connection")
            }
            line.array("flushes", json: detail.flushes.map { format.flush($0, anchor: anchor).dropLast() })
        }
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
