// SPDX-License-Identifier: MIT
import FoundationEssentials
import TailraceModel
import Testing

@testable import TailraceOutput

/// What a finding becomes, with text in it that wants to be something else.
struct FindingOutputTests {
    private let hostile = "</details><script>alert(1)</script>\u{1b}[31m\"'&\u{202e}\n"
    private let run = RunDescription(
        version: "1", host: "<host>", kernel: "6.18", backend: "tracepoint",
        anchor: ClockAnchor(monotonic: 0, wall: 1_700_000_000_000_000_000))

    private var finding: Finding {
        let server = Server(pid: 42, started: 1, comm: hostile, executable: nil, cgroup: nil)
        let local = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: 80)
        let connection = Connection(cookie: 255, local: local, remote: local, established: 1)
        let symptom = Symptom(
            .warning, since: 5_000_000_000, connection: connection,
            evidence: [
                Evidence("unsent_bytes", .bytes(4096)), Evidence("peer_waits_ns", .duration(nil)),
                Evidence("unsent_share", .share(0.5)), Evidence("spearman_p", .number(1.5e-9)),
                Evidence("growing_group", .text(hostile)),
            ],
            summary: "1 of 2 holds \(hostile) " + String(repeating: "long ", count: 100) + "end.")
        return Finding(
            id: "slow-consumer-42-1", anomaly: .slowConsumer, at: 6_000_000_000, server: server, symptom)
    }

    private var report: Report {
        var report = Report(begin: 1_700_000_000_000_000_000, duration: 9_000_000_000)
        report.findings = [finding]
        report.insights = []
        report.end = 9_000_000_000
        var server = ServerReport(port: 80)
        server.comm = hostile
        report.servers = [server]
        return report
    }

    private func string(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("NDJSON has the numbers as numbers, what is not known as null, and the whole sentence")
    func ndjson() throws {
        struct Line: Decodable {
            struct Evidence: Decodable {
                let unsent_bytes: Int
                let peer_waits_ns: Int?
                let unsent_share: Double
                let spearman_p: Double
            }
            let type: String
            let id: String
            let begin: String
            let end: String?
            let evidence: Evidence
            let summary: String
        }
        let bytes = NDJSON(run: run).finding(finding, anchor: run.anchor)
        let line = try JSONDecoder().decode(Line.self, from: Data(bytes))
        #expect(line.type == "finding" && line.id == "slow-consumer-42-1" && line.end == nil)
        #expect(line.begin == "2023-11-14T22:13:25.000000000Z")
        #expect(line.evidence.unsent_bytes == 4096 && line.evidence.peer_waits_ns == nil)
        #expect(line.evidence.unsent_share == 0.5 && line.evidence.spearman_p == 1.5e-9)
        #expect(line.summary == finding.summary)
        #expect(string(bytes).filter { $0 == "\n" }.count == 1 && !string(bytes).contains("\u{1b}"))
    }

    @Test("a line for people is one line, and moves no cursor")
    func line() {
        let line = string(TraceTable(width: 80, anchor: run.anchor).finding(finding, anchor: run.anchor))
        #expect(line.hasSuffix("end.\n") && line.filter { $0 == "\n" }.count == 1)
        #expect(!line.contains("\u{1b}") && !line.contains("\u{202e}"))
        #expect(line.contains("slow-consumer opened, warning: 1 of 2"))
    }

    @Test("a text report tells it with its advice, and no server with a name of its own breaks it")
    func text() {
        let text = ReportText(run: run, width: 100).text(report)
        #expect(text.contains("FINDINGS 1") && text.contains("warning slow-consumer [42] still open after 4.00s"))
        #expect(text.contains("-> ") && !text.contains("\u{1b}"))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 || !$0.contains(" ") })
    }

    @Test("an HTML page has no element but its own")
    func html() {
        let page = ReportHTML(run: run).page(report)
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
        #expect(!page.contains("<script") && !page.contains("<host>") && !page.contains("\u{1b}"))
        #expect(page.contains("&lt;script&gt;alert(1)") && page.contains("&lt;host&gt;"))
        #expect(page.components("<details").count == page.components("</details>").count)
        #expect(page.contains("<td>unsent_bytes</td><td>4.00KiB</td>"))
    }

    @Test("a Perfetto trace with hostile text is JSON")
    func perfetto() throws {
        struct Trace: Decodable {
            struct Event: Decodable {
                let ph: String
                let name: String
            }
            let traceEvents: [Event]
        }
        let format = PerfettoTrace(run: run)
        var closed = finding
        closed.state = .closed
        closed.end = 8_000_000_000
        let bytes =
            format.begin() + format.finding(finding, anchor: run.anchor) + format.finding(closed, anchor: run.anchor)
            + format.end(RunEnd())
        let trace = try JSONDecoder().decode(Trace.self, from: Data(bytes))
        #expect(trace.traceEvents.filter { $0.ph == "i" }.map(\.name) == ["slow-consumer"])
        #expect(trace.traceEvents.filter { $0.ph == "X" }.map(\.name) == ["slow-consumer"])
    }
}

extension String {
    fileprivate func components(_ separator: String) -> [Substring] {
        self.split(separator: separator, omittingEmptySubsequences: false)
    }
}
