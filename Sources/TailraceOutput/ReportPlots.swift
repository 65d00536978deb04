// SPDX-License-Identifier: MIT
import TailraceModel

extension ReportHTML {
    /// The run of a server process: what waited, who was in flight, how long it took; findings are shaded.
    func history(of insight: ServerInsight, _ report: Report) -> String {
        let moments = insight.history
        guard moments.count >= 2, let first = moments.first, let last = moments.last else { return "" }
        let line = { (name: String, style: String, isArea: Bool, value: (ServerMoment) -> Double?) in
            Plot.Line(
                name: name, style: style,
                points: moments.map { (Double($0.at + $0.length / 2), value($0)) }, isArea: isArea)
        }
        var panels = [
            Plot.Panel(
                title: "bytes in send queues",
                lines: [
                    line("queued", "queued", true) { Double($0.queuedBytes) },
                    line("unsent", "unsent", true) { Double($0.unsentBytes) },
                ], words: { Quantity.size(Int64(nearest: $0)) })
        ]
        var counts = [line("responses in flight", "flight", false) { Double($0.inFlight) }]
        if moments.contains(where: { $0.tasks != nil }) {
            counts.append(line("open tasks", "tasks", false) { $0.tasks.map(Double.init) })
        }
        let title = counts.count > 1 ? "" : "responses in flight"
        panels.append(Plot.Panel(title: title, lines: counts, words: { "\(Int64(nearest: $0))" }))
        let time = { (value: Double) in Quantity.duration(Int64(nearest: value)) }
        let latency = line("latency", "latency", false) { $0.latency.map(Double.init) }
        let gap = line("gap", "latency", false) { $0.gap.map(Double.init) }
        for (title, line) in [("median latency of plain responses", latency), ("mean gap of streams", gap)]
        where line.points.count(where: { $0.y != nil }) >= 2 {
            panels.append(Plot.Panel(title: title, lines: [line], words: time))
        }
        let end = Double(last.at + last.length)
        let plot = Plot(
            range: Double(first.at)...max(end, Double(first.at) + 1), panels: panels,
            marks: insight.changes.map {
                Plot.Mark(x: Double($0.at), words: "\($0.habit.rawValue) \(InsightText.digits($0.factor))x")
            },
            spans: Self.joined(
                report.findings.filter { $0.server.pid == insight.server.pid && $0.severity > .notice }
                    .map { Double($0.begin)...Double(max($0.begin, $0.end ?? report.end)) }),
            words: { String(Timestamp.timeOfDay(report.anchor.wall(at: Int64(nearest: $0))).prefix(8)) },
            label: "queues, responses in flight and latency over time")
        return plot.svg
    }

    /// Without overlaps.
    private static func joined(_ spans: [ClosedRange<Double>]) -> [ClosedRange<Double>] {
        spans.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { joined, span in
            guard let last = joined.last, last.upperBound >= span.lowerBound else { return joined.append(span) }
            joined[joined.count - 1] = last.lowerBound...max(last.upperBound, span.upperBound)
        }
    }

    /// Latency against open tasks, for the stages that say something.
    func curves(of insight: ServerInsight) -> String {
        insight.correlations.filter { $0.isTelling && $0.curve.count >= 3 }.map { correlation in
            let points = correlation.curve.map { (x: $0.tasks, y: Optional($0.latency)) }
            let first = points.first?.x ?? 0
            let name = InsightText.name(of: correlation.provider)
            let title = "median \(correlation.stage.rawValue), by \(name)"
            let rho = InsightText.digits(correlation.rho ?? 0)
            let plot = Plot(
                range: first...max(points.last?.x ?? 0, first + 1),
                panels: [
                    Plot.Panel(
                        title: "\(title) (Spearman \(rho), \(correlation.count) responses)",
                        lines: [Plot.Line(name: title, style: "latency", points: points, hasDots: true)],
                        words: { Quantity.duration(Int64(nearest: $0)) })
                ],
                marks: correlation.bend.map { [Plot.Mark(x: $0.knee, words: "knee \(InsightText.digits($0.knee))")] }
                    ?? [],
                words: { InsightText.digits($0) }, label: title)
            return plot.svg
        }.joined()
    }

    /// The slowest responses, stage after stage, on a common scale.
    func waterfall(of server: ServerReport) -> String {
        guard let longest = server.slowest.map(\.duration).max(), longest > 0 else { return "" }
        var html = "<h3>Slowest responses</h3>\n<p class=\"note\">Streams by their time outside app: a stream lasts as "
        html += "long as it has something to say.</p>\n<div class=\"fall\">"
        for response in server.slowest {
            let what = [response.method, response.target].compactMap { $0.map { Sanitizer.visible($0) } }
            let name = what.isEmpty ? response.protocolName?.rawValue ?? "response" : what.joined(separator: " ")
            let status = response.status.map { " \($0)" } ?? ""
            html += "<span>\(Self.text("\(name)\(status)"))<small>\(response.remote)</small></span>"
            let width = Double(response.duration) / Double(longest) * 100
            html += "<span>\(bar(response.timeline, of: response.duration, width: width))"
            html += "<small>\(Quantity.duration(response.duration))"
            html += response.state == .open ? ", still open</small></span>" : "</small></span>"
        }
        return html + "</div>\n"
    }

    private func bar(_ times: StageTimes, of duration: Int64, width: Double) -> String {
        var html = "<div class=\"bar thin\" style=\"width:\(max(1, Int(width)))%\">"
        for stage in Stage.allCases {
            guard let time = times[stage], time > 0, duration > 0 else { continue }
            let share = Double(time) / Double(duration)
            html += "<span class=\"\(stage.rawValue)\" style=\"flex:\(Int64(nearest: share * 1000))\" "
            html += "title=\"\(stage.rawValue) \(Quantity.duration(time))\">"
            html += share * width >= 12 ? "\(stage.rawValue)</span>" : "</span>"
        }
        return html + "</div>"
    }

    /// What the colours mean.
    static var legend: String {
        let stages = Stage.allCases.map {
            "<span class=\"stage\"><span class=\"key \($0.rawValue)\"></span>\($0.rawValue)</span>"
        }
        return "<p class=\"note legend\">\(stages.joined(separator: " "))</p>\n"
    }
}
