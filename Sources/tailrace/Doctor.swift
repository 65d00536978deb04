// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceCapture
import TailraceOutput

/// `tailrace doctor`: what this kernel and this user allow, what was chosen, what is missing, what to do.
struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what this kernel and this user allow, what is missing, and what to do.",
        discussion: "Ends with 0 where tracing works, 69 where this kernel cannot, 77 where this user may not.")

    @Flag(help: "Write one JSON object.")
    var json = false

    func run() throws {
        let facts = KernelFacts.probe()
        var output = Output(STDOUT_FILENO)
        let diagnosis = Diagnosis(facts)
        if json || isatty(STDOUT_FILENO) == 0 {
            output.append(diagnosis.report.json())
        } else {
            output.append(diagnosis.report.text())
        }
        try output.flush()
        if let problem = diagnosis.problem { throw ExitCode(problem.kind.rawValue) }
    }
}

/// The facts, and the proof: the probes are loaded once and taken away again.
private struct Diagnosis {
    var report: DoctorReport
    var problem: CaptureError?

    init(_ facts: KernelFacts) {
        report = DoctorReport(
            version: Tailrace.version, kernel: facts.release, architecture: facts.architecture,
            facts: [
                .init(
                    name: "kernel types (BTF)", value: facts.hasTypes ? "present" : "missing", isGood: facts.hasTypes),
                .init(
                    name: "may load probes",
                    value: facts.mayLoad ? "yes" : "no: needs root, or CAP_BPF and CAP_PERFMON",
                    isGood: facts.mayLoad),
                .init(name: "lockdown", value: facts.lockdown ?? "the kernel does not say", isGood: nil),
                .init(name: "MPTCP", value: Self.mptcp(facts), isGood: nil),
            ])
        for (point, wanted) in zip(facts.tracepoints, KernelFacts.wanted) {
            let value = (point.isPresent ? "present" : "missing") + ": " + wanted.purpose
            report.facts.append(.init(name: "tracepoint \(point.name)", value: value, isGood: point.isPresent))
        }
        do throws(CaptureError) {
            let source = try KernelSource(target: Target(), facts: facts, ringBytes: 1 << 16)
            report.backend = source.backend.rawValue
            try source.attach()
            report.programs = source.programs().map { .init(name: $0.name, instructions: Int($0.verifiedInstructions)) }
        } catch {
            problem = error
            report.advice = error.description
        }
    }

    private static func mptcp(_ facts: KernelFacts) -> String {
        switch facts.isMPTCPEnabled {
        case true?: "enabled: connections whose client speaks it are counted (untracked_mptcp), not traced"
        case false?: "switched off"
        case nil: "not in this kernel"
        }
    }
}
