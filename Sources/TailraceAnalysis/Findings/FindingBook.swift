// SPDX-License-Identifier: MIT
import TailraceModel

/// The findings of one server process: they open, are updated and close, and never flap.
struct FindingBook {
    private struct Page {
        /// Windows in a row that showed it before it opened, or did not show it since.
        var windows = 0
        var begin: Nanoseconds = 0
        var open: Finding?
        var told: Nanoseconds = 0
        /// How many it held when it was told last.
        var toldHeld = 0
        var occurrences = 0
    }
    private var pages = [Page](repeating: Page(), count: Anomaly.allCases.count)
    /// May change at any time: what is open is judged by the new ones next.
    var limits: Thresholds { didSet { relaxed = limits.relaxed } }
    private var relaxed: Thresholds
    /// An open finding is told again at most that often, ns, unless it becomes more severe or holds twice as many.
    private static let quiet: Int64 = 10_000_000_000

    init(limits: Thresholds) {
        self.limits = limits
        relaxed = limits.relaxed
    }

    /// Something is open, or about to be.
    var isBusy: Bool { pages.contains { $0.open != nil || $0.windows > 0 } }

    /// Those that are open.
    var open: [Finding] { pages.compactMap(\.open) }

    /// Looks for every anomaly in a window. What opened, changed or closed goes to `findings`.
    mutating func take(_ window: ServerWindow, to findings: inout [Finding]) {
        for (place, anomaly) in Anomaly.allCases.enumerated() {
            let check = anomaly.check
            let isOpen = pages[place].open != nil
            let symptom = check.check(window, isOpen ? relaxed : limits)
            let finding =
                isOpen
                ? follow(place, symptom, check, window)
                : begin(place, anomaly, symptom, check, window)
            if let finding { findings.append(finding) }
        }
    }

    private mutating func begin(
        _ place: Int, _ anomaly: Anomaly, _ symptom: Symptom?, _ check: AnomalyCheck, _ window: ServerWindow
    ) -> Finding? {
        guard let symptom else {
            pages[place].windows = 0
            return nil
        }
        pages[place].windows += 1
        if pages[place].windows == 1 { pages[place].begin = symptom.since ?? window.at - window.length }
        guard pages[place].windows >= check.opensAfter else { return nil }
        pages[place].windows = 0
        pages[place].occurrences += 1
        var finding = Finding(
            id: "\(anomaly.rawValue)-\(window.server.pid)-\(pages[place].occurrences)", anomaly: anomaly, at: window.at,
            server: window.server, symptom)
        finding.begin = min(finding.begin, pages[place].begin)
        pages[place].open = finding
        (pages[place].told, pages[place].toldHeld) = (window.at, finding.held)
        return finding
    }

    private mutating func follow(
        _ place: Int, _ symptom: Symptom?, _ check: AnomalyCheck, _ window: ServerWindow
    ) -> Finding? {
        guard var finding = pages[place].open else { return nil }
        guard let symptom else {
            pages[place].windows += 1
            guard pages[place].windows >= check.closesAfter else { return nil }
            return close(place, finding, at: window.at)
        }
        pages[place].windows = 0
        let before = finding
        finding.take(symptom, at: window.at)
        finding.state = .updated
        pages[place].open = finding
        let isWorse = finding.severity > before.severity || finding.held >= 2 * max(1, pages[place].toldHeld)
        guard isWorse || window.at - pages[place].told >= Self.quiet && finding.evidence != before.evidence else {
            return nil
        }
        (pages[place].told, pages[place].toldHeld) = (window.at, finding.held)
        return finding
    }

    private mutating func close(_ place: Int, _ finding: Finding, at time: Nanoseconds) -> Finding {
        var finding = finding
        finding.state = .closed
        // It was over when it was seen last.
        finding.end = max(finding.begin, finding.at)
        finding.at = time
        pages[place].open = nil
        pages[place].windows = 0
        return finding
    }
}
