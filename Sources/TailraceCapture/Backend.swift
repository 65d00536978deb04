// SPDX-License-Identifier: MIT
import CProbes

/// Which hooks give the send call and the inside of TCP. Chosen from facts; the cases are in order of preference.
public enum Backend: String, CaseIterable, Sendable {
    /// Hooks on TCP's own functions, for what has no tracepoint.
    case fentry
    /// Typed tracepoints only: tcp_sendmsg_locked and sock_send_length.
    case tracepoint

    /// The backend for these facts.
    ///
    /// - Parameters:
    ///   - facts: what the kernel allows.
    ///   - wanted: no other than this one will do; nil: the best.
    /// - Returns: the wanted one, or the first that works.
    /// - Throws: why there is none, and what to do.
    public static func choose(for facts: KernelFacts, wanted: Backend? = nil) throws(CaptureError) -> Backend {
        let missing = facts.missingCapabilities
        guard missing.isEmpty else {
            let names = missing.joined(separator: " and ") + (missing.count > 1 ? " are" : " is")
            let needed = facts.neededCapabilities.joined(separator: " and ")
            throw CaptureError(
                .forbidden,
                "this user may not load kernel probes, \(names) missing: run tailrace as root (sudo tailrace ...), or give it \(needed)"
            )
        }
        if let obstacle = obstacle(to: facts) { throw CaptureError(.unsupported, obstacle) }
        let candidates = wanted.map { [$0] } ?? allCases
        if let backend = candidates.first(where: { $0.obstacle(in: facts) == nil }) { return backend }
        let reasons = candidates.map { "\($0.rawValue): \($0.obstacle(in: facts) ?? "")" }.joined(separator: "; ")
        throw CaptureError(
            .unsupported,
            "this kernel (\(facts.release)) has not what tracing needs (\(reasons)); Linux 6.1 or newer has")
    }

    /// What no backend can do without.
    private static func obstacle(to facts: KernelFacts) -> String? {
        if facts.architecture != "x86_64" {
            return "this build's probes are for x86_64, and this machine is \(facts.architecture)"
        }
        if !facts.hasTypes {
            return
                "this kernel does not describe its types (/sys/kernel/btf/vmlinux is missing); use one built with CONFIG_DEBUG_INFO_BTF=y"
        }
        if !facts.hasLoops {
            return
                "this kernel (\(facts.release)) is too old for the probes (it has no bpf_loop); use Linux 6.1 or newer"
        }
        if facts.mayReadMemory == false {
            let level = facts.lockdown.map { "locked down (\($0))" } ?? "locked down"
            return
                "this kernel is \(level): its programs may not read its memory, which tracing needs; boot it with lockdown=integrity"
        }
        return nil
    }

    /// Why it cannot be used with these facts; nil: it can.
    public func obstacle(in facts: KernelFacts) -> String? {
        if self == .fentry, let refusal = facts.functionHookRefusal {
            return "the kernel refuses hooks on its functions: \(refusal)"
        }
        let missing =
            requiredTracepoints.filter { !facts.has(tracepoint: $0) }.map { "tracepoint \($0)" }
            + requiredFunctions(in: facts).filter { !facts.has(function: $0) }.map { "function \($0)" }
        return missing.isEmpty ? nil : "the kernel lacks \(missing.joined(separator: ", "))"
    }

    private var requiredTracepoints: [String] {
        let both = ["inet_sock_set_state", "net_dev_start_xmit", "tcp_probe"]
        switch self {
        case .fentry: return both + ["net_dev_xmit"]
        case .tracepoint: return both + ["sock_recv_length", "tcp_sendmsg_locked", "sock_send_length"]
        }
    }

    private func requiredFunctions(in facts: KernelFacts) -> [String] {
        guard self == .fentry else { return [] }
        return ["tcp_sendmsg_locked", "sk_stream_wait_memory"]
            + (facts.has(tracepoint: "sock_recv_length") ? [] : ["tcp_recvmsg"])
    }

    /// Why the stage `driver` is not known with it, and where its time is instead; nil: it is known.
    public var driverUnavailable: String? {
        switch self {
        case .fentry: nil
        case .tracepoint:
            "this backend does not mark the driver's return; its time is in network (the loopback device has none: 0)"
        }
    }
}

/// The programs of the probe object that a run loads, by their names there; those that only read out are always loaded.
struct ProbeSet {
    /// Ends the name of a program's second copy: bpf/spares.bpf.c.
    private static let spare = "_spare"
    /// These give a mark that another hook gives too, less well: to miss one is no loss.
    private static let replaceable: Set<String> = ["on_enter", "on_hand_over", "on_driver"]

    private(set) var programs: Set<String> = [
        "on_state", "on_xmit", "on_packet", "on_snapshot", "on_sample", "on_listener", "on_adopt",
        "on_process", "on_retarget",
    ]
    /// EV_HOOK_*: what the programs know of each other.
    private(set) var hooks: UInt32 = 0

    /// The programs of a backend that these facts allow; those for the time inside functions only where that is asked for.
    init(_ backend: Backend, facts: KernelFacts, timesFunctions: Bool = false) {
        switch backend {
        case .tracepoint:
            programs.formUnion(["on_recv", "on_send", "on_sent"])
        case .fentry:
            programs.formUnion(["on_call", "on_called"])
            add("on_wait", EV_HOOK_WAIT)
            add("on_waited", EV_HOOK_WAIT)
            add("on_driver", EV_HOOK_DRIVER)
            programs.insert(facts.has(tracepoint: "sock_recv_length") ? "on_recv" : "on_recvmsg")
            if facts.has(function: "tcp_sendmsg") { programs.insert("on_enter") }
            if facts.has(function: "do_tcp_sendpages") { programs.formUnion(["on_pages", "on_paged"]) }
            if facts.has(function: "__tcp_transmit_skb") { add("on_hand_over", EV_HOOK_HAND_OVER) }
            if facts.has(function: "tcp_ack") { add("on_ack", EV_HOOK_ACK) }
        }
        if facts.isPreemptible {
            hooks |= EV_HOOK_SPARES | (facts.mayHoldPreemption ? EV_HOOK_HOLD : 0)
            programs.formUnion(programs.map { $0 + Self.spare })
        }
        guard timesFunctions else { return }
        for function in TimedFunction.all where facts.has(function: function.name) {
            programs.formUnion(function.programs)
        }
    }

    /// At most this many events were skipped, by the number of times that the kernel skipped each program: where there is a
    /// second copy, only those that it was skipped at too.
    static func eventsMissed(_ skipped: [String: UInt64]) -> UInt64 {
        skipped.reduce(0) { sum, program in
            guard program.key.hasPrefix("on_"), !program.key.hasSuffix(spare), !replaceable.contains(program.key) else {
                return sum
            }
            return sum + min(program.value, skipped[program.key + spare] ?? program.value)
        }
    }

    private mutating func add(_ program: String, _ hook: UInt32) {
        programs.insert(program)
        hooks |= hook
    }
}
