// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceOutput

/// Pictures of numbers that may be anything, as a forged recording may have them.
struct PlotTests {
    private let hostile = "</svg><script>alert(1)</script>\u{1b}[31m\"'&\u{202e}\n"
    private let second: Int64 = 1_000_000_000

    private func moments(_ count: Int, _ change: (inout ServerMoment, Int) -> Void) -> [ServerMoment] {
        (0..<count).map { place in
            var moment = ServerMoment()
            (moment.at, moment.length) = (Int64(place) * second, second)
            change(&moment, place)
            return moment
        }
    }

    private func page(_ history: [ServerMoment], _ curve: [CurvePoint] = [], knee: Double? = nil) -> String {
        let server = Server(pid: 42, started: 1, comm: hostile, executable: nil, cgroup: nil)
        var report = Report(begin: 1_700_000_000_000_000_000, duration: 9 * second)
        var insight = ServerInsight(server: server)
        insight.history = history
        insight.correlations = [
            StageCorrelation(
                stage: .app, provider: hostile, rho: 0.9, probability: 1e-9, count: 300, knee: knee, base: 1e6,
                beyond: 1e7, curve: curve)
        ]
        insight.changes = [
            HabitChange(habit: .latency, at: 3 * second, before: 20_000_000, after: 62_000_000, probability: 0.001)
        ]
        report.insights = [insight]
        report.anchor = ClockAnchor(monotonic: 0, wall: 1_700_000_000_000_000_000)
        report.end = 9 * second
        var told = ServerReport(port: 80)
        told.pids = [42]
        report.servers = [told]
        let run = RunDescription(
            version: "1", host: "host", kernel: "6.18", backend: "tracepoint",
            anchor: ClockAnchor(monotonic: 0, wall: 1_700_000_000_000_000_000))
        return ReportHTML(run: run).page(report)
    }

    private func isSound(_ page: String) -> Bool {
        let opened = page.split(separator: "<svg", omittingEmptySubsequences: false).count
        let closed = page.split(separator: "</svg>", omittingEmptySubsequences: false).count
        return opened == closed && !page.contains("<script") && !page.contains("nan") && !page.contains("inf\"")
            && !page.contains("\u{1b}") && !page.contains("\u{202e}")
    }

    @Test("queues, counts and latency over time, with the change of habit marked")
    func history() {
        let page = page(
            moments(60) { moment, place in
                (moment.unsentBytes, moment.queuedBytes) = (Int64(place) * 1000, Int64(place) * 2000)
                (moment.inFlight, moment.tasks) = (place % 9, 100 + place)
                moment.latency = place % 5 == 0 ? nil : 20_000_000
            })
        #expect(isSound(page))
        #expect(page.contains("bytes in send queues") && page.contains("open tasks"))
        #expect(page.contains("median latency of plain responses") && !page.contains("mean gap of streams"))
        #expect(page.contains("latency 3.1x"))
        #expect(
            page.contains("HABIT [42] since 22:13:23 the median latency of plain responses is 3.1x what it was: 62.0ms")
        )
    }

    @Test("latency against open tasks, with its knee")
    func curve() {
        let points = (1...20).map {
            CurvePoint(tasks: Double($0), latency: $0 < 12 ? 5e6 : Double($0 - 11) * 4e7, count: 9)
        }
        let page = page([], points, knee: 12)
        #expect(isSound(page) && page.contains("knee 12") && page.contains("Spearman 0.9, 300 responses"))
        #expect(page.split(separator: "<circle", omittingEmptySubsequences: false).count == 21)
    }

    @Test("extremes, nothing, and all the same draw nothing that is no number")
    func extremes() {
        let huge = moments(3) { moment, _ in
            // The decoder lets no time through that is longer.
            let longest: Int64 = 1 << 61 - 1
            (moment.at, moment.length, moment.latency) = (longest, longest, .max)
            (moment.unsentBytes, moment.queuedBytes, moment.inFlight, moment.tasks) = (.max, .min, .max, .max)
        }
        let zero = moments(5) { moment, _ in moment = ServerMoment() }
        let same = Array(repeating: CurvePoint(tasks: 3, latency: .infinity, count: 1), count: 5)
        for page in [page(huge), page(zero), page([]), page([], same, knee: .nan)] { #expect(isSound(page)) }
    }
}
