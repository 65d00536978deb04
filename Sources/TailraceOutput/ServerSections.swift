// SPDX-License-Identifier: MIT
import TailraceModel

/// One server's part of a report: who it is, its story, then the tables that the story rests on.
struct ServerSections {
    let server: ServerReport
    let width: Int

    func text(duration: Int64) -> String {
        let parts =
            [header(duration), story] + server.timelines.map(timeline) + [
                causes, peers, slowest, targets, pace, delivery, queue,
            ]
        return parts.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    // MARK: Who it is

    private func header(_ duration: Int64) -> String {
        let pids = server.pids.prefix(4).map(String.init).joined(separator: " ")
        let more = server.processes > 4 ? " ... \(server.processes) processes" : ""
        var name = "port \(server.port): \(Sanitizer.visible(server.comm ?? "a process that is not known"))"
        name += pids.isEmpty ? "" : " [\(pids)\(more)]"
        if name.count > width - 6 { name = name.padded(to: width - 6) }
        var text = "== \(name) " + String(repeating: "=", count: max(2, width - name.count - 4)) + "\n"
        let place = [server.executable, server.cgroup.map { "cgroup \($0)" }].compactMap { $0.map(Sanitizer.visible) }
        if !place.isEmpty { text += Paragraph.wrapped(place.joined(separator: ", "), width: width, indent: 2) }
        text += Paragraph.wrapped(counts(duration), width: width, indent: 2)
        return text
    }

    private func counts(_ duration: Int64) -> String {
        var text = "\(Quantity.count(server.ended)) responses ended"
        let kinds = server.timelines.map { "\(Quantity.count($0.count)) \($0.isStreaming ? "streaming" : "plain")" }
        if !kinds.isEmpty { text += " (\(kinds.joined(separator: ", ")))" }
        if duration > 0 {
            text += ", \(rate(Double(server.ended) / Double(duration) * 1e9)) a second"
        }
        text += "; \(Quantity.count(server.open.count)) open; at most \(server.inFlightMax) in flight"
        text += server.processes > 1 ? " in one process; " : "; "
        text += "\(Quantity.size(server.responseBytes)) in \(Quantity.count(server.flushes)) flushes. "
        text += "\(Quantity.count(server.excluded)) excluded from percentiles (an event was lost), "
        text += "\(Quantity.count(server.estimated)) estimated."
        if server.adopted > 0 {
            text += " \(Quantity.count(server.adopted)) were under way before the run: not in percentiles."
        }
        let endings = server.endings.filter { $0.ending != .complete }
            .map { "\($0.ending.rawValue) \(Quantity.count($0.count))" }
        if !endings.isEmpty { text += " Not ended as complete: \(endings.joined(separator: ", "))." }
        let errors = server.statuses.filter { $0.hundreds >= 4 }
            .map { "\($0.hundreds)xx \(Quantity.count($0.count))" }
        if !errors.isEmpty { text += " Status \(errors.joined(separator: ", "))." }
        return text
    }

    private func rate(_ perSecond: Double) -> String {
        perSecond >= 10 ? Quantity.count(Int64(nearest: perSecond)) : "\((perSecond * 10).rounded() / 10)"
    }

    private var story: String {
        ReportStory(server).paragraphs.map { Paragraph.wrapped($0, width: width, indent: 2) }.joined()
    }

    // MARK: Where the time goes

    private func timeline(_ timeline: TimelineReport) -> String {
        let number = timeline.slow.count > 1 ? " \(Quantity.count(timeline.slow.count))" : ""
        // Of a single response the two shares are the same.
        let tellsSlow = timeline.count > timeline.slow.count
        var columns: [TextTable.Column] = [
            .text("STAGE"), .number("P50"), .number("P90"), .number("P99"), .number("MAX"), .number("SHARE"),
            .text("OF ALL TIME"),
        ]
        if tellsSlow { columns.append(.text("OF THE SLOWEST\(number)")) }
        var table = TextTable(columns)
        for stage in Stage.allCases { table.add(cells(stage, timeline, tellsSlow)) }
        let whole = Self.quantiles(timeline.duration) + ["100 %", "mean \(Quantity.duration(timeline.duration.mean))"]
        table.add(["whole"] + whole + (tellsSlow ? [""] : []))
        let kind = "\(timeline.isStreaming ? "streaming" : "plain") response\(timeline.count == 1 ? "" : "s")"
        return "TIMELINE of \(Quantity.count(timeline.count)) \(kind): every nanosecond is in one stage\n"
            + table.text(width: width)
    }

    private func cells(_ stage: Stage, _ timeline: TimelineReport, _ tellsSlow: Bool) -> [String] {
        let bar = min(24, max(10, (width - 62) / 2))
        let share = timeline.share(of: stage)
        let cells =
            [stage.rawValue] + Self.quantiles(timeline.stages[stage.index])
            + [Quantity.percent(share), share.map { Bar.text($0, width: bar) } ?? "-"]
        guard tellsSlow else { return cells }
        let slow = timeline.slow[stage]
        let text = Quantity.percent(slow).rightAligned(to: 5) + " " + Bar.text(slow, width: bar)
        return cells + [share == nil ? "    -" : text]
    }

    private static func quantiles(_ values: Distribution) -> [String] {
        [values.p50, values.p90, values.p99, values.count > 0 ? values.max : nil].map(Quantity.duration)
    }

    private var pace: String {
        guard !server.paces.isEmpty else { return "" }
        var table = Self.distributions("WHAT")
        for pace in server.paces {
            let kind = pace.isStreaming ? "streaming" : "plain"
            table.add(Self.cells("time to first flush, \(kind)", pace.timeToFirstFlush))
            if pace.gapSent.count > 0 {
                table.add(Self.cells("gap sent by the server, \(kind)", pace.gapSent))
                table.add(Self.cells("gap at the peer (ACKs), \(kind)", pace.gapAcked))
            }
        }
        return "PACE: first body flush and gaps between flushes, of ended and open responses\n"
            + table.text(width: width)
    }

    private var delivery: String {
        let delivery = server.delivery
        guard delivery.total.count > 0 else { return "" }
        var table = Self.distributions("STAGE")
        for (name, values) in [
            ("send", delivery.send), ("queue", delivery.queue), ("qdisc", delivery.qdisc), ("driver", delivery.driver),
            ("network", delivery.network), ("whole way", delivery.total),
        ] { table.add(Self.cells(name, values)) }
        return "DELIVERY of each flush, from its send call to its ACK: not part of the timeline\n"
            + table.text(width: width)
    }

    private static func distributions(_ title: String) -> TextTable {
        TextTable([
            .text(title), .number("COUNT"), .number("MEAN"), .number("P50"), .number("P90"), .number("P99"),
            .number("MAX"),
        ])
    }

    private static func cells(_ name: String, _ values: Distribution) -> [String] {
        [name, Quantity.count(values.count), Quantity.duration(values.mean)] + quantiles(values)
    }

    // MARK: What held the bytes

    private var causes: String {
        let total = server.causes.total
        guard total > 0 else { return "" }
        var table = TextTable([.text("CAUSE"), .number("TIME"), .number("SHARE"), .text(""), .text("")])
        for cause in WaitCause.allCases {
            let share = Double(server.causes[cause]) / Double(total)
            table.add([
                cause.rawValue, Quantity.duration(server.causes[cause]), Quantity.percent(share),
                Bar.text(share, width: 20), Self.short(cause),
            ])
        }
        return "HELD: what held the bytes in blocked and queue, \(Quantity.duration(total)) over all responses\n"
            + table.text(width: width)
    }

    private static func short(_ cause: WaitCause) -> String {
        switch cause {
        case .peerWindow: "the client does not read"
        case .congestionWindow: "the path takes no more"
        case .qdisc: "the device takes no more"
        case .other: "none of these"
        }
    }
}

/// A share as a bar of signs, so that no picture depends on colour.
enum Bar {
    static func text(_ share: Double, width: Int) -> String {
        let cells = Int((min(1, max(0, share)) * Double(width)).rounded())
        return String(repeating: "#", count: cells) + String(repeating: ".", count: width - cells)
    }
}
