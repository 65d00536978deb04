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
            html += "<div class=\"finding \(finding.severity.rawValue)\"><h3>\(finding.severity.rawValue): "
            html +=
                "\(finding.anomaly.rawValue) <small>[\(finding.server.pid)] \(state)\(finding.extent)</small></h3>\n"
            html += "<p>\(Self.text(FindingLine(finding: finding).text))</p><p>\(Self.text(finding.advice))</p>\n"
            html += "<details><summary>Evidence</summary><table>"
            for evidence in finding.evidence {
                html += "<tr><td>\(evidence.name)</td><td>\(Self.text(evidence.words))</td></tr>"
            }
            html += "</table></details></div>\n"
        }
        return html
    }

    private func server(_ server: ServerReport, _ report: Report) -> String {
        let name = "port \(server.port): \(server.comm ?? "a process that is not known")"
        var html = "<h2>\(Self.text(name))</h2>\n"
        for paragraph in ReportStory(server).paragraphs { html += "<p>\(Self.text(paragraph))</p>\n" }
        for timeline in server.timelines { html += bar(timeline) }
        if !server.timelines.isEmpty { html += Self.legend }
        for insight in report.insights ?? [] where server.pids.contains(insight.server.pid) {
            html += history(of: insight, report) + curves(of: insight)
            for line in InsightText(insight: insight, anchor: report.anchor).lines {
                html += "<p class=\"note\">\(Self.text(line))</p>\n"
            }
        }
        html += waterfall(of: server)
        let text = ServerSections(server: server, width: Self.width).text(duration: report.duration)
        return html + "<details><summary>Tables</summary><pre>\(Self.text(text))</pre></details>\n"
    }

    /// Where the time of all responses of a kind went; the letters say it without colour.
    private func bar(_ timeline: TimelineReport) -> String {
        var html = "<div class=\"bar\" role=\"img\" aria-label=\"time by stage\">"
        for stage in Stage.allCases {
            guard let share = timeline.share(of: stage), share >= 0.001 else { continue }
            let percent = Quantity.percent(share)
            let narrow = share < 0.04 ? " slight" : share < 0.3 ? " narrow" : ""
            html += "<span class=\"\(stage.rawValue)\(narrow)\" style=\"flex:\(Int64(nearest: share * 1000))\" "
            html += "title=\"\(stage.rawValue) \(percent)\">"
            // A letter that is cut says nothing.
            html += share >= 0.1 ? "<i>\(stage.rawValue) \(percent)</i>" : ""
            html += share >= 0.015 && share < 0.3 ? "<b>\(stage.letter)</b></span>" : "</span>"
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
        :root{color-scheme:light dark;--ink:#222;--line:#8886;--span:#ef8e0026;--queued:#d9c9a3;--unsent:#c77d1f;
        --flight:#1f6fb2;--tasks:#7a3fa0;--latency:#b3261e}
        @media (prefers-color-scheme:dark){:root{--ink:#ddd;--span:#ef8e0030;--queued:#6b5c38;--unsent:#e5a24a;--flight:#7cb8ec;
        --tasks:#c69ae0;--latency:#f08a80}}
        body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
        pre{font:12px/1.35 ui-monospace,monospace;overflow-x:auto}h2{border-bottom:1px solid var(--line);margin-top:2rem}
        h3{margin:1.2rem 0 .3rem}
        .finding{border-left:.3rem solid #888;padding:.1rem .8rem;margin:1rem 0}.finding h3{margin:0}.finding p{margin:.4rem 0}
        small{font-weight:normal}.critical{border-color:#c62828}
        .warning{border-color:#ef8e00}.notice{border-color:#5b7da0}summary{cursor:pointer}td{padding:0 .8rem 0 0;font-size:13px}
        .bar{display:flex;height:1.9rem;font-size:12px;overflow:hidden}.bar span{overflow:hidden;white-space:nowrap;
        padding:.35rem .15rem;border-right:1px solid #fff8;color:#111;background:#bbb}.note{margin:.1rem 0 1rem;opacity:.8}.note.legend{opacity:1}
        .bar.thin{height:1.2rem;font-size:11px}.bar.thin span{padding:.05rem 0;min-width:0;border:0;text-align:center}
        .stage{white-space:nowrap}.key{display:inline-block;width:.8em;height:.8em;margin:0 .25em 0 .6em;background:#bbb}
        .bar i{font-style:normal}.bar b{font-weight:normal}.bar i+b{display:none}
        .bar .app,.key.app{background:#9ccc9c}.bar .blocked,.key.blocked{background:#f0a070}.bar .queue,.key.queue{background:#f3c969}
        .bar .send,.key.send{background:#cfe3a0}.bar .read,.key.read{background:#e3dccb}
        .bar .accept,.key.accept{background:#b08968}.bar .qdisc,.key.qdisc{background:#b57edc}.bar .driver,.key.driver{background:#e6b3d4}
        .bar .network,.key.network{background:#8fbbe8}
        .fall{display:grid;grid-template-columns:minmax(8rem,18rem) 1fr;gap:.3rem .8rem;font-size:13px}
        .fall>span{overflow-wrap:anywhere;min-width:0}.fall small{display:block;opacity:.75}
        .plot{display:block;width:100%;max-width:60rem;height:auto;margin:.6rem 0}.plot text{font-size:11px;fill:var(--ink);
        paint-order:stroke;stroke:Canvas;stroke-width:3px}
        .plot path{fill:none}.axis{stroke:var(--line)}.line{stroke-width:1.5}.span{fill:var(--span)}
        .mark{stroke:var(--ink);stroke-dasharray:3 3}.queued{color:var(--queued)}.unsent{color:var(--unsent)}
        .flight{color:var(--flight)}.tasks{color:var(--tasks)}.latency{color:var(--latency)}
        .plot .line{stroke:currentColor}.plot .area{fill:currentColor}.plot circle,.plot tspan{fill:currentColor}
        @media (max-width:600px){.bar .narrow i,.bar .slight b{display:none}.bar .narrow i+b{display:inline}.plot text{font-size:17px}.fall{grid-template-columns:1fr}}footer pre{white-space:pre-wrap}
        @media print{body{margin:0;max-width:none;font-size:11pt}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
        :root{color-scheme:light;--ink:#222;--span:#ef8e0026;--queued:#d9c9a3;--unsent:#c77d1f;--flight:#1f6fb2;--tasks:#7a3fa0;
        --latency:#b3261e}details::details-content{content-visibility:visible;height:auto}
        svg,.fall>span,.finding{break-inside:avoid}h2,h3{break-after:avoid}
        pre{white-space:pre;font-size:6.5pt}}
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
        case .number(let value): value.map(InsightText.digits) ?? "-"
        case .text(let value): Sanitizer.visible(value ?? "-")
        }
    }
}
