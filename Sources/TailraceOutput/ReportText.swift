// SPDX-License-Identifier: MIT
import TailraceModel

/// A report for people: plain text in lines of a given width, no colour, no control characters.
public struct ReportText {
    private let run: RunDescription
    let width: Int

    /// `width`: of the terminal, columns; at least 80.
    public init(run: RunDescription, width: Int) {
        self.run = run
        self.width = max(80, width)
    }

    /// The whole report; `recording`: what of a recording was used, nil where the run is live.
    public func text(_ report: Report, recording: RecordingEnd? = nil) -> String {
        var text = opening(of: report) + findings(of: report)
        for server in report.servers {
            let sections = ServerSections(server: server, width: width)
            text += "\n" + sections.text(duration: report.duration)
        }
        if report.otherResponses > 0 {
            text += "\n\(Quantity.count(report.otherResponses)) responses of other servers are not told one by one.\n"
        }
        text += known(of: report)
        text += functions(of: report)
        return text + "\n" + closing(of: report, recording)
    }

    private func functions(of report: Report) -> String {
        guard !report.functions.isEmpty else { return "" }
        var table = TextTable([
            .text("FUNCTION"), .number("CALLS"), .number("TOTAL"), .number("MEAN"), .number("P50"), .number("P90"),
            .number("P99"), .number("MAX"),
        ])
        for function in report.functions {
            let times = function.times
            let durations = [times.sum, times.mean, times.p50, times.p90, times.p99, times.max].map(Quantity.duration)
            table.add([function.name, Quantity.count(times.count)] + durations)
        }
        let title =
            "FUNCTIONS of the kernel, for the traced connections: from entry to return, with what they call and what "
            + "interrupted them. They lie within each other and do not add up."
        return "\n" + Paragraph.wrapped(title, width: width) + table.text(width: width)
    }

    private func opening(of report: Report) -> String {
        let begin = Timestamp.rfc3339(report.begin).prefix(19)
        var text = "tailrace report: \(Quantity.duration(report.duration)) of \(RunTarget(run).words), "
        text += "from \(begin)Z, on \(Sanitizer.visible(run.host))"
        text = Paragraph.wrapped(text, width: width)
        guard report.servers.isEmpty else { return text }
        let advice =
            "No response was seen. Were there requests meanwhile, and is the target right? tailrace doctor shows whether "
            + "tracing works here."
        return text + "\n" + Paragraph.wrapped(advice, width: width)
    }

    /// What the numbers rest on.
    func closing(of report: Report, _ recording: RecordingEnd?) -> String {
        let loss = report.loss
        var events =
            "EVENTS  \(Quantity.count(Int64(clamping: loss.made))) seen = \(Quantity.count(Int64(clamping: loss.delivered))) delivered"
        let lost = loss.lost.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        events += " + \(Quantity.count(Int64(clamping: loss.lostTotal))) lost"
        events += lost.isEmpty ? "" : " (the ring was full: \(lost.joined(separator: ", ")))"
        events += "; \(Quantity.count(Int64(clamping: loss.missed))) missed (recursion)"
        for (count, what) in [
            (loss.untracked, "connections untracked (no memory)"),
            (loss.untrackedMPTCP, "connections untracked (MPTCP)"),
            (loss.undecodable, "undecodable"),
            (report.unattributed, "of connections that were never announced"),
            (loss.unrecorded, "not in the recording"),
        ] where count > 0 { events += "; \(Quantity.count(Int64(clamping: count))) \(what)" }
        var backend = "BACKEND  \(Sanitizer.visible(run.backend)), Linux \(Sanitizer.visible(run.kernel))."
        if let driver = run.driverUnavailable { backend += " Not available: driver, \(driver)." }
        let numbers =
            "NUMBERS  Percentiles of stages do not add up to the percentile of the whole; shares do. No p99 is given for "
            + "fewer than 100 values, no p90 for fewer than 10. What a word means: tailrace explain WORD."
        let file = recording.map { "RECORDING \(Quantity.count(Int64(clamping: $0.records))) records; \($0.words)." }
        return ([events + "."] + [file].compactMap { $0 } + [backend, numbers]).map {
            Paragraph.hanging($0, width: width)
        }.joined()
    }
}

/// What a run traced, in words.
struct RunTarget {
    let words: String

    init(_ run: RunDescription) {
        var parts = run.ports.map { "port \($0)" }
        parts += run.pids.map { "pid \($0)" }
        parts += run.comms.map { "comm \(Sanitizer.visible($0))" }
        parts += run.cgroups.map { "cgroup \(Sanitizer.visible($0))" }
        words = parts.isEmpty ? "every accepted connection" : parts.joined(separator: ", ")
    }
}

extension Paragraph {
    /// The first word stands out: the following lines are indented by two.
    static func hanging(_ text: String, width: Int) -> String {
        let lines = wrapped(text, width: width - 2).split(separator: "\n")
        return lines.enumerated().map { ($0.offset > 0 ? "  " : "") + $0.element + "\n" }.joined()
    }
}
