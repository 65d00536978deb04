// SPDX-License-Identifier: MIT
import TailraceModel

/// A report as one HTML page for a browser or a mail: no script, nothing loaded from elsewhere, light and dark.
public struct ReportHTML {
    private let run: RunDescription
    /// Columns of the tables, which are text.
    private static let width = 120

    /// `run`: what it was.
    public init(run: RunDescription) { self.run = run }

    /// The whole page; `recording`: what of a recording was used, nil where the run is live.
    public func page(_ report: Report, recording: RecordingEnd? = nil) -> String {
        let title = "tailrace report: \(RunTarget(run).words)"
        let begin = Timestamp.rfc3339(report.begin).prefix(19)
        var body = "<h1>\(Self.text(title))</h1>\n"
        body += "<p>\(Self.text("\(Quantity.duration(report.duration)) from \(begin)Z on \(run.host)"))</p>\n"
        body += findings(of: report)
        for server in report.servers { body += self.server(server, report) }
        let text = ReportText(run: run, width: Self.width)
        body += "<footer><pre>\(Self.text(text.closing(of: report, recording)))</pre></footer>\n"
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <meta name="viewport" content="width=device-width"><title>\(Self.text(title))</title>
            <style>\(Self.style)</style></head><body>
            \(body)</body></html>

            """
    }

    private func findings(of report: Report) -> String {
        guard report.insights != nil else { return "" }
        guard !report.findings.isEmpty else {
            return "<h2>Findings</h2><p>None, at the thresholds of this run.</p>\n"
        }
        var html = "<h2>Findings</h2>\n"
        for finding in report.findings {
            let end = finding.end ?? report.end
            let length = Quantity.duration(max(0, end - finding.begin))
            let state = finding.end == nil ? "still open after \(length)" : "for \(length)"
            html += "<details class=\"\(finding.severity.rawValue)\" open><summary><b>\(finding.severity.rawValue)</b> "
            html += "\(finding.anomaly.rawValue) [\(finding.server.pid)] \(state)</summary>\n"
            html +=
                "<p>\(Self.text(FindingLine(finding: finding).text))</p><p>\(Self.text(finding.advice))</p>\n<table>"
            for evidence in finding.evidence {
                html += "<tr><td>\(evidence.name)</td><td>\(Self.text(evidence.words))</td></tr>"
            }
            html += "</table></details>\n"
        }
        return html
    }

    private func server(_ server: ServerReport, _ report: Report) -> String {
        let name = "port \(server.port): \(server.comm ?? "a process that is not known")"
        var html = "<h2>\(Self.text(name))</h2>\n"
        for paragraph in ReportStory(server).paragraphs { html += "<p>\(Self.text(paragraph))</p>\n" }
        for timeline in server.timelines { html += bar(timeline) }
        let text = ServerSections(server: server, width: Self.width).text(duration: report.duration)
        return html + "<details><summary>Tables</summary><pre>\(Self.text(text))</pre></details>\n"
    }

    /// Where the time of all responses of a kind went; the letters say it without colour.
    private func bar(_ timeline: TimelineReport) -> String {
        var html = "<div class=\"bar\" role=\"img\" aria-label=\"time by stage\">"
        for stage in Stage.allCases {
            guard let share = timeline.share(of: stage), share >= 0.001 else { continue }
            let percent = Quantity.percent(share)
            html += "<span class=\"\(stage.rawValue)\" style=\"flex:\(Int64(nearest: share * 1000))\" "
            html += "title=\"\(stage.rawValue) \(percent)\">"
            html += share >= 0.08 ? "\(stage.rawValue) \(percent)</span>" : "\(stage.letter)</span>"
        }
        let kind = timeline.isStreaming ? "streaming" : "plain"
        let mean = Quantity.duration(timeline.duration.mean)
        return html + "</div><p class=\"note\">\(Quantity.count(timeline.count)) \(kind), mean \(mean)</p>\n"
    }

    /// Text from anywhere: harmless to the page.
    static func text(_ text: String) -> String {
        var html = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": html += "&amp;"
            case "<": html += "&lt;"
            case ">": html += "&gt;"
            case "\"": html += "&quot;"
            case "'": html += "&#39;"
            case "\n": html += "\n"
            case _ where Sanitizer.isSafe(scalar): html.unicodeScalars.append(scalar)
            default: html += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return html
    }

    private static let style = """
        :root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
        pre{font:12px/1.35 ui-monospace,monospace;overflow-x:auto}h2{border-bottom:1px solid #8886;margin-top:2rem}
        details{border-left:.3rem solid #888;padding:.2rem .8rem;margin:.6rem 0}.critical{border-color:#c62828}
        .warning{border-color:#ef8e00}.notice{border-color:#5b7da0}summary{cursor:pointer}td{padding:0 .8rem 0 0;font-size:13px}
        .bar{display:flex;height:1.9rem;font-size:12px;overflow:hidden}.bar span{overflow:hidden;white-space:nowrap;
        padding:.35rem .15rem;border-right:1px solid #fff8;color:#111;background:#bbb}.note{margin:.1rem 0 1rem;opacity:.75}
        .bar .app{background:#9ccc9c}.bar .blocked{background:#f0a070}.bar .queue{background:#f3c969}
        .bar .qdisc,.bar .driver{background:#c9a0dc}.bar .network{background:#8fbbe8}
        """
}

extension Evidence {
    /// For people.
    var words: String {
        switch value {
        case .count(let value): value.map(Quantity.count) ?? "-"
        case .bytes(let value): value.map(Quantity.size) ?? "-"
        case .duration(let value): Quantity.duration(value)
        case .share(let value): Quantity.percent(value)
        case .bytesPerSecond(let value): value.map { Quantity.size($0) + "/s" } ?? "-"
        case .number(let value): value.map { "\($0)" } ?? "-"
        case .text(let value): Sanitizer.visible(value ?? "-")
        }
    }
}
