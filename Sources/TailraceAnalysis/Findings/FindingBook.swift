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
        /// As it was when it was worst.
        var worst: Symptom?
        /// Evidence that was not known when it was told last.
        var unknown: Set<String> = []

        /// It is told.
        mutating func tell(_ finding: Finding, at time: Nanoseconds) {
            (told, toldHeld) = (time, finding.held)
            unknown = Set(finding.evidence.filter { !$0.isKnown }.map(\.name))
        }

        /// The most severe, that which held most, and of equals the last.
        mutating func remember(_ symptom: Symptom) {
            if let worst, (worst.severity, worst.held) > (symptom.severity, symptom.held) { return }
            worst = symptom
        }
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
            let symptom = check.check(window, limits)
            let finding =
                isOpen
                ? follow(
                    place, symptom, isThere: symptom != nil || check.check(window, relaxed) != nil, check, window
                )
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
        pages[place].tell(finding, at: window.at)
        pages[place].worst = symptom
        return finding
    }

    /// `symptom`: at the limits by which it opened; `isThere`: at relaxed ones, at which it goes on, and says nothing new.
    private mutating func follow(
        _ place: Int, _ symptom: Symptom?, isThere: Bool, _ check: AnomalyCheck, _ window: ServerWindow
    ) -> Finding? {
        guard var finding = pages[place].open else { return nil }
        guard isThere else {
            pages[place].windows += 1
            guard pages[place].windows >= check.closesAfter else { return nil }
            return close(place, finding, at: window.at)
        }
        pages[place].windows = 0
        let before = finding
        finding.at = window.at
        finding.state = .updated
        if let symptom {
            finding.take(symptom, at: window.at)
            pages[place].remember(symptom)
        }
        pages[place].open = finding
        let isNew = finding.evidence.contains { $0.isKnown && pages[place].unknown.contains($0.name) }
        let isWorse = finding.severity > before.severity || finding.held >= 2 * max(1, pages[place].toldHeld)
        guard isWorse || isNew || window.at - pages[place].told >= Self.quiet && finding.evidence != before.evidence
        else {
            return nil
        }
        pages[place].tell(finding, at: window.at)
        return finding
    }

    /// Its server is gone.
    mutating func closeAll(at time: Nanoseconds, to findings: inout [Finding]) {
        for place in pages.indices {
            if let finding = pages[place].open { findings.append(close(place, finding, at: time)) }
        }
    }

    private mutating func close(_ place: Int, _ finding: Finding, at time: Nanoseconds) -> Finding {
        var finding = finding
        finding.state = .closed
        // It was over when it was seen last.
        let seen = finding.at
        if let worst = pages[place].worst { finding.take(worst, at: seen) }
        finding.end = max(finding.begin, seen)
        finding.at = time
        pages[place].open = nil
        pages[place].windows = 0
        return finding
    }
}
