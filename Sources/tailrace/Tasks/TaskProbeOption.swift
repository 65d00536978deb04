// SPDX-License-Identifier: MIT
import ArgumentParser
import TailraceTasks

/// `--task-probe`, the same for every command that counts tasks.
struct TaskProbeOption: ParsableArguments {
    @Option(
        name: .customLong("task-probe"),
        help: ArgumentHelp(
            """
            Count tasks by two functions of the server: open=BIN:SYMBOL[+OFF],close=BIN:SYMBOL[+OFF]. BIN is a path, `exe`, or the name of a \
            library that it has loaded; SYMBOL may be 0xOFFSET in the file. Once only.
            """,
            valueName: "pair"))
    var pairs: [String] = []

    @Flag(help: "Let --task-probe hook an instruction that is executed in single steps: 10 us a call instead of 1.")
    var allowSlowProbe = false

    func validate() throws {
        if pairs.count > 1 { throw ValidationError("--task-probe can be given once; \(pairs.count) were.") }
        if allowSlowProbe, pairs.isEmpty { throw ValidationError("--allow-slow-probe goes with --task-probe.") }
        _ = try probe
    }

    private var probe: TaskProbe? {
        get throws {
            guard let text = pairs.first else { return nil }
            guard let probe = TaskProbe(text) else {
                throw ValidationError(
                    "--task-probe takes open=BIN:SYMBOL[+OFF],close=BIN:SYMBOL[+OFF]; \(text.debugDescription) is none."
                )
            }
            return probe
        }
    }

    /// Who counts by it; nil: it is not given.
    var kind: TaskProviderKind? {
        get throws {
            let allowsSlow = allowSlowProbe
            return try probe.map { probe in
                TaskProviderKind(TaskProbe.name) { pid throws(TaskError) in
                    try ProbedTasks(probe, pid: pid, allowsSlow: allowsSlow)
                }
            }
        }
    }
}
