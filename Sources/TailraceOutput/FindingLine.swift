// SPDX-License-Identifier: MIT
import TailraceModel

/// A finding for people: one line as it happens, a paragraph in a report.
struct FindingLine {
    let finding: Finding

    /// `12:00:01 ! slow-consumer opened, warning: 3 of 40 ...`
    func line(anchor: ClockAnchor) -> String {
        let time = Timestamp.timeOfDay(anchor.wall(at: finding.at)).prefix(8)
        return
            "\(time) ! \(finding.anomaly.rawValue) \(finding.state.rawValue), \(finding.severity.rawValue): \(text)\n"
    }

    /// The sentence, harmless to a terminal.
    var text: String { Sanitizer.visible(finding.summary, longest: .max) }
}

extension Finding {
    /// How many it held, where that says something.
    var extent: String { held > 1 ? ", held up to \(Quantity.count(Int64(held)))" : "" }
}

extension ReportText {
    /// Everything that was found, the most severe first; empty where nothing was.
    func findings(of report: Report) -> String {
        guard report.insights != nil else { return "" }
        guard !report.findings.isEmpty else {
            return "\nFINDINGS none in \(Quantity.duration(report.duration)), at the thresholds of this run.\n"
        }
        var text = "\nFINDINGS \(Quantity.count(Int64(report.findings.count)))"
        text += report.otherFindings > 0 ? ", and \(Quantity.count(Int64(report.otherFindings))) more\n" : "\n"
        for finding in report.findings {
            let end = finding.end ?? report.end
            let state = finding.end == nil ? "still open after" : "for"
            let title =
                "\(finding.severity.rawValue) \(finding.anomaly.rawValue) [\(finding.server.pid)] \(state) "
                + "\(Quantity.duration(max(0, end - finding.begin)))\(finding.extent)"
            text += "  " + title + "\n"
            text += Paragraph.wrapped(FindingLine(finding: finding).text, width: width, indent: 4)
            text += Paragraph.wrapped("-> " + finding.advice, width: width, indent: 4)
        }
        return text
    }

    /// What is known of servers beside that.
    func known(of report: Report) -> String {
        let insights = report.insights ?? []
        let lines = insights.flatMap { InsightText(insight: $0, anchor: report.anchor).lines }
        return lines.map { "\n" + Paragraph.hanging($0, width: width) }.joined() + pictures(of: insights, report)
    }

    private func pictures(of insights: [ServerInsight], _ report: Report) -> String {
        insights.map { insight in
            let lines = TimePicture(insight, anchor: report.anchor, width: width).lines
            return lines.isEmpty ? "" : "\nOVER TIME [\(insight.server.pid)] " + lines.joined(separator: "\n") + "\n"
        }.joined()
    }
}
