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
    /// The typed tracepoints that tailrace knows, and whether this kernel has them.
    public let tracepoints: [(name: String, isPresent: Bool)]
    /// Effective capabilities of this process, as in /proc/self/status.
    public let capabilities: UInt64
    /// `integrity`, `confidentiality`, `none`; nil where the kernel does not say.
    public let lockdown: String?
    /// Sockets may speak MPTCP; nil: this kernel does not know it.
    public let isMPTCPEnabled: Bool?

    /// Typed tracepoints, with what each is for.
    public static let wanted: [(name: String, purpose: String)] = [
        ("inet_sock_set_state", "connections"),
        ("sock_recv_length", "requests"),
        ("tcp_sendmsg_locked", "entry of the send call (Linux 6.16)"),
        ("sock_send_length", "return of the send call (Linux 6.3)"),
        ("net_dev_start_xmit", "qdisc and device"),
        ("tcp_probe", "ACKs and request arrival"),
    ]

    /// Asks the running kernel.
    public static func probe() -> KernelFacts {
        var name = utsname()
        uname(&name)
        let types = btf__load_vmlinux_btf()
        let hasTypes = types != nil && libbpf_get_error(UnsafeRawPointer(types)) == 0
        defer { if hasTypes { btf__free(types) } }
        return KernelFacts(
            release: text(of: name.release), architecture: text(of: name.machine), host: text(of: name.nodename),
            hasTypes: hasTypes,
            tracepoints: wanted.map { point in
                (
                    point.name,
                    hasTypes && btf__find_by_name_kind(types, "btf_trace_\(point.name)", UInt32(BTF_KIND_TYPEDEF)) > 0
                )
            },
            capabilities: effectiveCapabilities(), lockdown: lockdownState(),
            isMPTCPEnabled: readFile("/proc/sys/net/mptcp/enabled").map { !$0.hasPrefix("0") })
    }

    /// Tracepoints that this kernel lacks.
    public var missingTracepoints: [String] { tracepoints.filter { !$0.isPresent }.map(\.name) }

    /// CAP_SYS_ADMIN, or CAP_BPF with CAP_PERFMON (include/uapi/linux/capability.h).
    public var mayLoad: Bool {
        let has = { (bit: UInt64) in capabilities & (1 << bit) != 0 }
        return has(21) || (has(39) && has(38))
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

    /// The word in brackets of /sys/kernel/security/lockdown.
    private static func lockdownState() -> String? {
        guard let text = readFile("/sys/kernel/security/lockdown") else { return nil }
        guard let open = text.firstIndex(of: "["), let close = text.firstIndex(of: "]") else { return nil }
        return String(text[text.index(after: open)..<close])
    }
}

/// Which hooks give the send call and the inside of TCP. Chosen from facts.
public enum Backend: String, Sendable {
    /// Typed tracepoints only: tcp_sendmsg_locked and sock_send_length.
    case tracepoint

    /// The backend for these facts, or why there is none and what to do.
    public static func choose(for facts: KernelFacts) throws(CaptureError) -> Backend {
        guard facts.mayLoad else {
            throw CaptureError(
                .forbidden,
                "this user may not load kernel probes: run tailrace as root (sudo tailrace ...), or give it CAP_BPF and CAP_PERFMON"
            )
        }
        guard facts.architecture == "x86_64" else {
            throw CaptureError(
                .unsupported, "this build's probes are for x86_64, and this machine is \(facts.architecture)")
        }
        guard facts.hasTypes else {
            throw CaptureError(
                .unsupported,
                "this kernel does not describe its types (/sys/kernel/btf/vmlinux is missing); use one built with CONFIG_DEBUG_INFO_BTF=y"
            )
        }
        guard facts.missingTracepoints.isEmpty else {
            throw CaptureError(
                .unsupported,
                "this kernel (\(facts.release)) lacks the tracepoint \(facts.missingTracepoints.joined(separator: ", ")); "
                    + "tcp_sendmsg_locked needs Linux 6.16 or newer")
        }
        return .tracepoint
    }
}
