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
                line.field("tasks", string: "responses")
                line.field("responses", correlation.count)
                line.field("spearman_rho", number: correlation.rho)
                line.field("spearman_p", number: correlation.probability)
                line.field("knee_tasks", number: correlation.knee)
                line.field("latency_to_knee_ns", correlation.base.map { Int64(nearest: $0) })
                line.field("latency_beyond_ns", correlation.beyond.map { Int64(nearest: $0) })
            }
            tasks(insight.tasks, &line)
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
