// SPDX-License-Identifier: MIT
import TailraceModel

/// What is known of a server process beside its findings, in sentences; the same in each format for people.
struct InsightText {
    let insight: ServerInsight
    let anchor: ClockAnchor

    /// Each with the word that it begins with.
    var lines: [String] { [pressure].compactMap { $0 } + tasks + habits }

    private var pressure: String? {
        let some = insight.pressure.all.some
        guard some.total > 0 else { return nil }
        let full = insight.pressure.all.full
        let held = WaitCause.allCases.filter { insight.pressure[$0].some.total > 0 }
            .map { "\($0.rawValue) \(Quantity.duration(insight.pressure[$0].some.total))" }
        return
            "PRESSURE [\(insight.server.pid)] some of its responses were held for \(Quantity.duration(some.total)) (avg10 "
            + "\(some.avg10) %, avg60 \(some.avg60) %), all of them for \(Quantity.duration(full.total)); by cause: "
            + held.joined(separator: ", ") + "."
    }

    /// Correlations that are no chance, and what is left over of the tasks.
    private var tasks: [String] {
        let climbing = insight.correlations.filter { ($0.rho ?? 0) >= 0.5 && $0.isTelling }
        var lines = climbing.map { correlation in
            var text = "TASKS [\(insight.server.pid)] \(correlation.stage.rawValue) climbs with "
            text += Self.name(of: correlation.provider)
            text += " (Spearman \(Self.digits(correlation.rho ?? 0)) over \(correlation.count) responses)"
            guard let (knee, base, beyond) = correlation.bend else {
                return text + ", without a knee."
            }
            text += ": \(Quantity.duration(Int64(nearest: base))) with up to \(Self.digits(knee)), "
            return text + "\(Quantity.duration(Int64(nearest: beyond))) beyond."
        }
        if let trend = insight.tasks {
            var text = "TASKS [\(insight.server.pid)] \(trend.open) open (\(Sanitizer.visible(trend.provider)))"
            let each = [(trend.perConnection, "connection"), (trend.perResponse, "response in flight")]
                .compactMap { count, what in count.map { "\(Self.digits($0)) for each \(what)" } }
            if !each.isEmpty { text += ", \(each.joined(separator: " and "))" }
            text += "; \(Self.digits(trend.unexplained)) more than at first are not explained by these."
            lines.append(text)
        }
        return lines
    }

    private var habits: [String] {
        insight.changes.map { change in
            let time = Timestamp.timeOfDay(anchor.wall(at: change.at)).prefix(8)
            let what =
                switch change.habit {
                case .latency: "the median latency of plain responses"
                case .gap: "the mean gap between flushes of streams"
                }
            return
                "HABIT [\(insight.server.pid)] since \(time) \(what) is \(Self.digits(change.factor))x what it was: "
                + "\(Quantity.duration(change.after)), before \(Quantity.duration(change.before)) "
                + "(Pettitt, p \(Self.probability(change.probability)))."
        }
    }

    /// Of whoever counts tasks.
    static func name(of provider: String) -> String {
        provider == StageCorrelation.responses ? "responses in flight" : "open tasks (\(Sanitizer.visible(provider)))"
    }

    /// Three significant digits, as far as numbers of tasks and factors go.
    static func digits(_ value: Double) -> String {
        // Probabilities and the like: only how small they are matters.
        if value != 0, abs(value) < 0.005 { return "\(value)".first == "-" ? "> -0.005" : "< 0.005" }
        let scale: Double = abs(value) >= 100 ? 1 : abs(value) >= 10 ? 10 : 100
        let rounded = Double(Int64(nearest: value * scale)) / scale
        return rounded == rounded.rounded() ? "\(Int64(nearest: rounded))" : "\(rounded)"
    }

    private static func probability(_ value: Double) -> String {
        value < 0.0001 ? "< 0.0001" : "\((value * 10_000).rounded() / 10_000)"
    }
}
