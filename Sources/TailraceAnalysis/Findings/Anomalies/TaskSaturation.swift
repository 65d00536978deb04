// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// A stage takes longer the more tasks are open, and the server is beyond the number from which it does.
    static let taskSaturation = AnomalyCheck { window, limits in
        let climbing = window.correlations.filter { correlation in
            guard let rho = correlation.rho, let probability = correlation.probability, let knee = correlation.knee,
                let base = correlation.base, let beyond = correlation.beyond, correlation.count >= 50
            else { return false }
            let now = window.open(by: correlation.provider)
            return rho >= limits[.saturationRho] && probability < 0.001 && Double(now) > knee
                && beyond >= limits[.saturationLatency] && beyond >= limits[.saturationFactor] * base
        }
        guard let worst = climbing.max(by: { ($0.beyond ?? 0) < ($1.beyond ?? 0) }), let knee = worst.knee,
            let base = worst.base, let beyond = worst.beyond, let rho = worst.rho
        else { return nil }
        return Symptom(
            .warning, held: max(1, window.inFlight),
            evidence: [
                Evidence("stage", .text(worst.stage.rawValue)),
                Evidence("tasks_by", .text(worst.provider)),
                Evidence("spearman_rho", .number(rho)),
                Evidence("spearman_p", .number(worst.probability)),
                Evidence("responses", .count(Int64(worst.count))),
                Evidence("knee_tasks", .number(knee)),
                Evidence("latency_to_knee_ns", .duration(Int64(nearest: base))),
                Evidence("latency_beyond_ns", .duration(Int64(nearest: beyond))),
                Evidence("tasks", .count(Int64(window.open(by: worst.provider)))),
                Evidence("in_flight", .count(Int64(window.inFlight))),
            ],
            summary: """
                The stage \(worst.stage.rawValue) climbs with \(Phrase.tasks(worst.provider)) (Spearman \
                \(Phrase.digits(rho)) over \(worst.count) responses): \(Phrase.duration(Int64(nearest: base))) with up to \
                \(Phrase.digits(knee)), \(Phrase.duration(Int64(nearest: beyond))) beyond, and now there are \
                \(window.open(by: worst.provider)).
                """)
    }
}
