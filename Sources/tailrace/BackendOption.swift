// SPDX-License-Identifier: MIT
import ArgumentParser
import TailraceCapture

extension Backend: ExpressibleByArgument {}

/// For tests and for comparisons: the choice is otherwise made from facts.
struct BackendOption: ParsableArguments {
    @Option(help: ArgumentHelp("Use this backend and no other: fentry or tracepoint.", visibility: .hidden))
    var backend: Backend?
}
