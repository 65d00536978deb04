// SPDX-License-Identifier: MIT
import TailraceModel

extension JSONLine {
    /// The fields of a finding.
    mutating func finding(_ finding: Finding, anchor: ClockAnchor) {
        field("id", string: finding.id)
        field("anomaly", string: finding.anomaly.rawValue)
        field("state", string: finding.state.rawValue)
        field("severity", string: finding.severity.rawValue)
        field("at", wall: anchor.wall(at: finding.at))
        field("begin", wall: anchor.wall(at: finding.begin))
        field("end", wall: finding.end.map { anchor.wall(at: $0) })
        object("server") { $0.server(finding.server) }
        if let connection = finding.connection {
            object("connection") { $0.connection(connection) }
        } else {
            null("connection")
        }
        field("held", finding.held)
        object("evidence") { line in
            for evidence in finding.evidence { line.evidence(evidence) }
        }
        field("summary", sentences: finding.summary)
        field("advice", sentences: finding.advice)
    }

    /// Where a connection leads.
    mutating func connection(_ connection: Connection) {
        field("id", string: String(connection.cookie, radix: 16))
        field("local", string: connection.local.description)
        field("remote", string: connection.remote.description)
        field("family", string: connection.local.isIPv4 ? "ipv4" : "ipv6")
    }

    private mutating func evidence(_ evidence: Evidence) {
        switch evidence.value {
        case .count(let value), .bytes(let value), .duration(let value), .bytesPerSecond(let value):
            field(named: evidence.name, value)
        case .share(let value): field(named: evidence.name, share: value)
        case .number(let value): field(named: evidence.name, number: value)
        case .text(let value): field(named: evidence.name, string: value)
        }
    }

    /// As the kernel's PSI.
    mutating func pressure(_ name: StaticString, _ stall: PressureStall?) {
        guard let stall else { return null(name) }
        object(name) { line in
            for (name, averages): (StaticString, StallAverages) in [("some", stall.some), ("full", stall.full)] {
                line.object(name) {
                    $0.field("avg10", share: averages.avg10 / 100)
                    $0.field("avg60", share: averages.avg60 / 100)
                    $0.field("avg300", share: averages.avg300 / 100)
                    $0.field("total_ns", averages.total)
                }
            }
        }
    }
}
