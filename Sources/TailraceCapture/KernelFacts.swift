// SPDX-License-Identifier: MIT
import CLibbpf
import Glibc

/// What this kernel and this user allow, found by asking, never by a version number. Facts only; `Backend` has the rules.
public struct KernelFacts: Sendable {
    /// `uname -r`.
    public let release: String
    /// `uname -m`.
    public let architecture: String
    /// `uname -n`.
    public let host: String
    /// The kernel describes its own types: /sys/kernel/btf/vmlinux.
    public let hasTypes: Bool
    /// Programs may loop: bpf_loop(), Linux 5.17.
    public let hasLoops: Bool
    /// The typed tracepoints that tailrace knows, and whether this kernel has them.
    public let tracepoints: [(name: String, isPresent: Bool)]
    /// The functions of the kernel that tailrace knows, and whether this kernel has them, with the arguments that it expects.
    public let functions: [(name: String, isPresent: Bool)]
    /// This kernel preempts tasks also inside of itself, and so in the middle of programs.
    public let isPreemptible: Bool
    /// Programs may hold that off for a moment: bpf_preempt_disable(), Linux 6.10.
    public let mayHoldPreemption: Bool
    /// nil: a program that did nothing could be hooked to a function, and was taken away again; else why it could not.
    public let functionHookRefusal: String?
    /// Programs may read the kernel's memory, which a locked-down kernel can forbid; nil: this user may not even ask.
    public let mayReadMemory: Bool?
    /// Effective capabilities of this process, as in /proc/self/status.
    public let capabilities: UInt64
    /// `integrity`, `confidentiality`, `none`; nil where the kernel does not say.
    public let lockdown: String?
    /// Sockets may speak MPTCP; nil: this kernel does not know it.
    public let isMPTCPEnabled: Bool?

    /// Typed tracepoints, with what each is for.
    public static let wanted: [(name: String, purpose: String)] = [
        ("inet_sock_set_state", "connections"),
        ("sock_recv_length", "requests (Linux 6.3)"),
        ("tcp_sendmsg_locked", "entry of the send call (Linux 6.16)"),
        ("sock_send_length", "return of the send call (Linux 6.3)"),
        ("net_dev_start_xmit", "qdisc and device"),
        ("net_dev_xmit", "the driver's return"),
        ("tcp_probe", "ACKs and request arrival"),
    ]

    /// Functions, with what each is for.
    public static let wantedFunctions: [(name: String, purpose: String)] = [
        ("tcp_sendmsg", "the send call before it has the socket lock"),
        ("tcp_sendmsg_locked", "entry and return of the send call"),
        ("do_tcp_sendpages", "sendfile (before Linux 6.5)"),
        ("sk_stream_wait_memory", "writers that wait for room"),
        ("__tcp_transmit_skb", "hand-over from TCP to IP"),
        ("tcp_ack", "ACKs, also after a FIN"),
        ("tcp_recvmsg", "requests where sock_recv_length is missing"),
        ("tcp_write_xmit", "time inside"),
        ("__ip_queue_xmit", "time inside"),
        ("inet6_csk_xmit", "time inside"),
        ("dev_hard_start_xmit", "time inside"),
    ]

    /// Asks the running kernel.
    public static func probe() -> KernelFacts {
        var name = utsname()
        uname(&name)
        clibbpf_quiet()
        let types = btf__load_vmlinux_btf()
        let hasTypes = types != nil && libbpf_get_error(UnsafeRawPointer(types)) == 0
        defer { if hasTypes { btf__free(types) } }
        let hasType = { (name: String, kind: Int) in
            hasTypes && btf__find_by_name_kind(types, name, UInt32(kind)) > 0
        }
        return KernelFacts(
            release: text(of: name.release), architecture: text(of: name.machine), host: text(of: name.nodename),
            hasTypes: hasTypes, hasLoops: hasType("bpf_loop", BTF_KIND_FUNC),
            tracepoints: wanted.map { ($0.name, hasType("btf_trace_\($0.name)", BTF_KIND_TYPEDEF)) },
            functions: wantedFunctions.map {
                let isKnown = hasType($0.name, BTF_KIND_FUNC)
                return ($0.name, isKnown && ($0.name != "tcp_recvmsg" || hasFlagsFourth(types)))
            },
            isPreemptible: isPreemptible(release: text(of: name.release), version: text(of: name.version)),
            mayHoldPreemption: hasType("bpf_preempt_disable", BTF_KIND_FUNC),
            functionHookRefusal: hasTypes ? functionHookRefusal(types) : "the kernel does not describe its functions",
            mayReadMemory: mayReadMemory(),
            capabilities: effectiveCapabilities(),
            lockdown: word(inBracketsOf: "/sys/kernel/security/lockdown", ("[", "]")),
            isMPTCPEnabled: readFile("/proc/sys/net/mptcp/enabled").map { !$0.hasPrefix("0") })
    }

    /// on_recvmsg reads the flags of tcp_recvmsg() by their place, which was another one before Linux 5.19.
    private static func hasFlagsFourth(_ types: OpaquePointer?) -> Bool {
        clibbpf_parameter_is(types, "tcp_recvmsg", 3, "flags")
    }

    /// By whatever says it: the scheduler's own file, `uname -v`, the command line, the build's configuration. Where nothing
    /// does, it may be.
    private static func isPreemptible(release: String, version: String) -> Bool {
        if let mode = word(inBracketsOf: "/sys/kernel/debug/sched/preempt", ("(", ")")) {
            return mode != "none" && mode != "voluntary"
        }
        guard version.contains("PREEMPT") else { return false }
        let options = (readFile("/proc/cmdline") ?? "").split(whereSeparator: \.isWhitespace)
        if let mode = options.last(where: { $0.hasPrefix("preempt=") })?.dropFirst("preempt=".count) {
            return mode != "none" && mode != "voluntary"
        }
        let configurations = ["/proc/config.gz", "/boot/config-\(release)"]
        return !configurations.contains { path in
            clibbpf_has_line(path, "CONFIG_PREEMPT_NONE=y") || clibbpf_has_line(path, "CONFIG_PREEMPT_VOLUNTARY=y")
        }
    }

    private static func functionHookRefusal(_ types: OpaquePointer?) -> String? {
        let result = clibbpf_try_function_hook(types, "sk_stream_wait_memory")
        return result < 0 ? describe(errno: -result) : nil
    }

    private static func mayReadMemory() -> Bool? {
        let result = clibbpf_try_reading()
        return result == -EPERM ? nil : result == 0
    }

    /// Whether this kernel has a typed tracepoint.
    func has(tracepoint name: String) -> Bool { tracepoints.contains { $0.name == name && $0.isPresent } }

    /// Whether this kernel has a function.
    func has(function name: String) -> Bool { functions.contains { $0.name == name && $0.isPresent } }

    /// This process has every one of `neededCapabilities`.
    public var mayLoad: Bool { missingCapabilities.isEmpty }

    /// What loading needs: names and bits (include/uapi/linux/capability.h). A function of the kernel that the probes can do
    /// without is looked for in its modules too, where libbpf 1.1 insists on CAP_SYS_ADMIN.
    private var needed: [(name: String, bit: UInt64)] {
        [("CAP_BPF", 39), ("CAP_PERFMON", 38)] + (mayHoldPreemption ? [] : [("CAP_SYS_ADMIN", 21)])
    }

    /// Names of the capabilities that loading needs on this kernel.
    public var neededCapabilities: [String] { needed.map(\.name) }

    /// Those of them that this process has not; CAP_SYS_ADMIN stands for all.
    public var missingCapabilities: [String] {
        let has = { (bit: UInt64) in capabilities & (1 << bit) != 0 }
        return has(21) ? [] : needed.filter { !has($0.bit) }.map(\.name)
    }

    private static func text(of field: some BitwiseCopyable) -> String {
        withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private static func effectiveCapabilities() -> UInt64 {
        for line in (readFile("/proc/self/status") ?? "").split(separator: "\n") where line.hasPrefix("CapEff:") {
            return UInt64(line.split(separator: "\t").last ?? "0", radix: 16) ?? 0
        }
        return 0
    }

    /// The word that a file of the kernel's marks with `brackets` among others.
    private static func word(inBracketsOf path: String, _ brackets: (Character, Character)) -> String? {
        guard let text = readFile(path) else { return nil }
        guard let open = text.firstIndex(of: brackets.0), let close = text.firstIndex(of: brackets.1) else {
            return nil
        }
        return String(text[text.index(after: open)..<close])
    }
}
