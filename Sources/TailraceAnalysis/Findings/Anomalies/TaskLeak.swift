// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// Tasks grow that neither responses in flight nor connections explain: a trend (Mann-Kendall) with a slope above 0
    /// (Theil-Sen), and enough of them.
    static let taskLeak = AnomalyCheck(opensAfter: 2, closesAfter: 10) { window, limits in
        guard let tasks = window.tasks, tasks.unexplained >= limits[.leakTasks], tasks.slopeRange.lowerBound > 0,
            tasks.probability < limits[.leakProbability]
        else { return nil }
        let perMinute = tasks.slope * 60
        var text = "\(tasks.open) tasks are open (\(tasks.provider)), \(Int64(nearest: tasks.unexplained)) more than "
        text += "responses in flight (\(window.inFlight)) and connections (\(window.connections.count)) explain, and "
        text += "they grow by \(Phrase.digits(perMinute)) a minute"
        if let growing = tasks.growing { text += "; most of them: \(growing)" }
        return Symptom(
            tasks.unexplained >= 100 * limits[.leakTasks] ? .critical : .warning,
            held: Int(Int64(nearest: tasks.unexplained)), since: window.since(tasks.span),
            evidence: [
                Evidence("provider", .text(tasks.provider)),
                Evidence("tasks", .count(Int64(tasks.open))),
                Evidence("unexplained_tasks", .count(Int64(nearest: tasks.unexplained))),
                Evidence("growth_per_minute", .number(perMinute)),
                Evidence("growth_per_minute_least", .number(tasks.slopeRange.lowerBound * 60)),
                Evidence("mann_kendall_p", .number(tasks.probability)),
                Evidence("tasks_per_response", .number(tasks.perResponse)),
                Evidence("tasks_per_connection", .number(tasks.perConnection)),
                Evidence("readings", .count(Int64(tasks.count))),
                Evidence("span_ns", .duration(tasks.span)),
                Evidence("in_flight", .count(Int64(window.inFlight))),
                Evidence("growing_group", .text(tasks.growing)),
            ],
            summary: text + ".")
    }
}
