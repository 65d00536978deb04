// SPDX-License-Identifier: MIT
import TailraceModel

extension ReportJSON {
    /// Findings, and what they rest on for each server process.
    func findings(of report: Report, _ line: inout JSONLine) {
        guard let insights = report.insights else { return }
        line.array("findings", report.findings) { $0.finding($1, anchor: report.anchor) }
        line.field("other_findings", report.otherFindings)
        line.array("processes", insights) { line, insight in
            line.object("server") { $0.server(insight.server) }
            line.pressure("pressure", insight.pressure.all)
            line.object("pressure_by_cause") { line in
                for cause in WaitCause.allCases { line.pressure(cause.name, insight.pressure[cause]) }
            }
            line.array("correlations", insight.correlations) { line, correlation in
                line.field("stage", string: correlation.stage.rawValue)
                line.field("tasks", string: correlation.provider)
                line.field("responses", correlation.count)
                line.field("spearman_rho", number: correlation.rho)
                line.field("spearman_p", number: correlation.probability)
                line.field("knee_tasks", number: correlation.knee)
                line.field("latency_to_knee_ns", correlation.base.map { Int64(nearest: $0) })
                line.field("latency_beyond_ns", correlation.beyond.map { Int64(nearest: $0) })
                line.array("curve", correlation.curve) { line, point in
                    line.field("tasks", number: point.tasks)
                    line.field("latency_p50_ns", Int64(nearest: point.latency))
                    line.field("responses", point.count)
                }
            }
            tasks(insight.tasks, &line)
            habits(insight.changes, report.anchor, &line)
            line.array("history", insight.history) { $0.moment($1, anchor: report.anchor) }
        }
    }

    private func habits(_ changes: [HabitChange], _ anchor: ClockAnchor, _ line: inout JSONLine) {
        line.array("habit_changes", changes) { line, change in
            line.field("habit", string: change.habit.rawValue)
            line.field("at", wall: anchor.wall(at: change.at))
            line.field("before_ns", change.before)
            line.field("after_ns", change.after)
            line.field("factor", number: change.factor)
            line.field("pettitt_p", number: change.probability)
        }
    }

    private func tasks(_ tasks: TaskTrend?, _ line: inout JSONLine) {
        guard let tasks else { return line.null("task_trend") }
        line.object("task_trend") {
            $0.field("provider", string: tasks.provider)
            $0.field("tasks", tasks.open)
            $0.field("unexplained", number: tasks.unexplained)
            $0.field("per_response", number: tasks.perResponse)
            $0.field("per_connection", number: tasks.perConnection)
            $0.field("growth_per_second", number: tasks.slope)
            $0.field("growth_per_second_least", number: tasks.slopeRange.lowerBound)
            $0.field("growth_per_second_most", number: tasks.slopeRange.upperBound)
            $0.field("mann_kendall_p", number: tasks.probability)
            $0.field("readings", tasks.count)
            $0.field("span_ns", tasks.span)
        }
    }
}

extension JSONLine {
    /// A part of a run.
    fileprivate mutating func moment(_ moment: ServerMoment, anchor: ClockAnchor) {
        field("at", wall: anchor.wall(at: moment.at))
        field("length_ns", moment.length)
        field("in_flight", moment.inFlight)
        field("tasks", moment.tasks)
        field("queued_bytes", moment.queuedBytes)
        field("unsent_bytes", moment.unsentBytes)
        field("oldest_unsent_ns", moment.oldestUnsent)
        field("responses", moment.responses)
        field("latency_p50_ns", moment.latency)
        field("gaps", moment.gaps)
        field("gap_mean_ns", moment.gap)
    }
}
