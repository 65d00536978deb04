// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceModel
import TailraceOutput
import Traffic

/// Everything that events go through, to the last line that is written: no response may contradict itself, and no line may
/// carry what a terminal must not get.
final class Engine {
    private var correlator = Correlator(tellsFlushes: true)
    private var watch = Watch()
    private var findings = FindingList()
    private var report = ReportBuilder()
    private let run: RunDescription
    /// Empty: nothing is written.
    private let formats: [any ResponseFormat]
    private(set) var anchor: ClockAnchor
    /// What was wrong first; nil: nothing.
    private(set) var wrong: String?
    /// Of all that was written.
    private(set) var fingerprint: UInt64 = 0xcbf2_9ce4_8422_2325
    /// Response bytes that were told.
    private(set) var responseBytes: Int64 = 0
    private(set) var responses = 0

    /// `isWritten`: what is told is also written, in every format.
    init(_ run: RunDescription, isWritten: Bool = true) {
        self.run = run
        anchor = run.anchor
        formats = isWritten ? [NDJSON(run: run), CSV(run: run), TraceTable(width: 100, anchor: run.anchor)] : []
        for format in formats { note(format.begin()) }
    }

    convenience init(isWritten: Bool) {
        let anchor = ClockAnchor(monotonic: 0, wall: 1_800_000_000_000_000_000)
        self.init(
            RunDescription(version: "0", host: "host", kernel: "6.18", backend: "tracepoint", anchor: anchor),
            isWritten: isWritten)
    }

    func note(_ line: [UInt8]) {
        for byte in line { fingerprint = (fingerprint ^ UInt64(byte)) &* 0x100_0000_01b3 }
        // CSV ends its lines with CR LF (RFC 4180), and has no CR anywhere else.
        let text = line.suffix(2) == [0x0d, 0x0a] ? line.dropLast(2) : line[...]
        if let found = Harmless.wrong(in: Array(text)) { wrong = wrong ?? "a line has " + found }
    }

    func take(_ event: KernelEvent, anchor: ClockAnchor? = nil) {
        if let anchor { self.anchor = anchor }
        correlator.take(event) { actions in
            for place in actions.ended.indices { take(actions.ended[place]) }
            for place in actions.settled.indices { show(actions.settled[place]) }
            if let flush = actions.flush { take(flush) }
            guard !formats.isEmpty else { return }
            let told = watch.take(actions)
            findings.add(told.findings)
            for format in formats {
                for sample in told.samples { note(format.sample(sample, anchor: self.anchor)) }
                for finding in told.findings { note(format.finding(finding, anchor: self.anchor)) }
            }
        }
    }

    private func take(_ response: borrowing Response) {
        responses += 1
        responseBytes &+= response.responseBytes
        if let contradiction = response.contradiction { wrong = wrong ?? "\(response.id): \(contradiction)" }
        if !formats.isEmpty { report.add(response, anchor: anchor) }
    }

    private func show(_ response: borrowing Response) {
        for format in formats { note(format.response(response, anchor: anchor)) }
    }

    private func take(_ flush: Flush) {
        for stage in Stage.delivery where flush.stages[stage] ?? 0 < 0 {
            wrong = wrong ?? "a flush: \(stage) is \(flush.stages[stage] ?? 0)"
        }
        // A stage that is not known may have taken time too; that of a driver that is not marked is in the one behind it.
        let sum = flush.stages.total
        let isKnown = flush.stages[.qdisc] != nil && flush.stages[.network] != nil
        if let total = flush.total, sum > total || isKnown && sum < total {
            wrong = wrong ?? "a flush: stages sum to \(sum), and the total is \(total)"
        }
        for format in formats { note(format.flush(flush, anchor: anchor)) }
        if !formats.isEmpty { report.add(flush) }
    }

    /// Nothing more comes: what is open is told, and the report is made.
    func end(at now: Nanoseconds, _ loss: Loss = Loss()) {
        correlator.finish { actions in
            for place in actions.settled.indices { show(actions.settled[place]) }
        }
        for response in correlator.open(at: now) {
            take(response)
            show(response)
        }
        for format in formats { note(format.loss(loss, at: anchor.wall(at: now))) }
        if !formats.isEmpty {
            var sum = report.report(
                begin: anchor.wall, duration: max(0, now), loss: loss, unattributed: correlator.unattributed)
            sum.findings = findings.sorted(open: watch.open)
            sum.insights = watch.insights()
            sum.anchor = anchor
            sum.end = now
            note(Array(ReportText(run: run, width: 80).text(sum).utf8))
            note(Array(ReportHTML(run: run).page(sum).utf8))
            note(ReportJSON(run: run).line(sum))
        }
        if correlator.openResponses < 0 { wrong = wrong ?? "\(correlator.openResponses) responses are open" }
    }
}
