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

    @OptionGroup var choice: BackendOption

    func run() throws {
        let facts = KernelFacts.probe()
        var output = Output(STDOUT_FILENO)
        let diagnosis = Diagnosis(facts, wanted: choice.backend)
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

    init(_ facts: KernelFacts, wanted: Backend?) {
        report = DoctorReport(
            version: Tailrace.version, kernel: facts.release, architecture: facts.architecture,
            facts: Self.general(facts))
        do throws(CaptureError) {
            let source = try KernelSource(target: Target(), facts: facts, backend: wanted, ringBytes: 1 << 16)
            try source.attach()
            report.backend = source.backend.rawValue
            report.driverUnavailable = source.backend.driverUnavailable
            report.programs = source.programs().map { .init(name: $0.name, instructions: Int($0.verifiedInstructions)) }
        } catch {
            problem = error
            report.advice = error.description
        }
        report.facts += Self.hooks(facts, isWorking: problem == nil)
        report.features = DoctorFeatures.all(
            isTracing: problem == nil, missing: facts.mayLoad ? [] : facts.missingCapabilities)
        for backend in Backend.allCases where backend.rawValue != report.backend {
            let works = wanted == nil ? "it would work too, and tells less" : "it would work too"
            report.others.append((backend.rawValue, backend.obstacle(in: facts) ?? works))
        }
    }

    private static func general(_ facts: KernelFacts) -> [DoctorReport.Fact] {
        [
            .init(name: "kernel types (BTF)", value: facts.hasTypes ? "present" : "missing", isGood: facts.hasTypes),
            .init(name: "loops in programs", value: facts.hasLoops ? "present" : "missing", isGood: facts.hasLoops),
            .init(
                name: "may load probes",
                value: facts.mayLoad
                    ? "yes" : "no: needs root, or also \(facts.missingCapabilities.joined(separator: " and "))",
                isGood: facts.mayLoad),
            .init(name: "lockdown", value: facts.lockdown ?? "the kernel does not say", isGood: nil),
            .init(
                name: "programs may read memory",
                value: facts.mayReadMemory.map { $0 ? "yes" : "no: the kernel is locked down" } ?? "not known",
                isGood: facts.mayReadMemory),
            .init(name: "MPTCP", value: mptcp(facts), isGood: nil),
            .init(
                name: "preemption",
                value: facts.isPreemptible
                    ? "also inside the kernel: programs are loaded twice" : "not inside the kernel",
                isGood: nil),
            .init(
                name: "function hooks", value: facts.functionHookRefusal.map { "refused: \($0)" } ?? "allowed",
                isGood: facts.functionHookRefusal == nil ? true : nil),
        ]
    }

    /// Where a backend works, a hook that is missing is none that it needs; else it may be the reason.
    private static func hooks(_ facts: KernelFacts, isWorking: Bool) -> [DoctorReport.Fact] {
        let points = zip(facts.tracepoints, KernelFacts.wanted).map { ("tracepoint", $0.0, $0.1.purpose) }
        let functions = zip(facts.functions, KernelFacts.wantedFunctions).map { ("function", $0.0, $0.1.purpose) }
        return (points + functions).map { kind, hook, purpose in
            .init(
                name: "\(kind) \(hook.name)", value: (hook.isPresent ? "present: " : "missing: ") + purpose,
                isGood: hook.isPresent ? true : isWorking ? nil : false)
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
