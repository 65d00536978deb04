// SPDX-License-Identifier: MIT

/// Capabilities, as the kernel's bits.
public struct CapabilitySet: OptionSet, Sendable, Hashable, CustomStringConvertible {
    /// Bit n is the capability of number n.
    public let rawValue: UInt64

    /// From the kernel's bits.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// To load programs, maps and links.
    public static let bpf = CapabilitySet("CAP_BPF")
    /// To let programs read the kernel's memory and hook functions.
    public static let perfmon = CapabilitySet("CAP_PERFMON")
    /// To read other users' processes.
    public static let ptrace = CapabilitySet("CAP_SYS_PTRACE")
    /// To become other users, and so nobody.
    public static let users: CapabilitySet = [CapabilitySet("CAP_SETUID"), CapabilitySet("CAP_SETGID")]

    /// By its name, like `CAP_BPF`; none where it is not known.
    public init(_ name: String) {
        self.init(rawValue: Self.names.firstIndex(of: name).map { 1 << UInt64($0) } ?? 0)
    }

    /// The 16 digits of a line of /proc/PID/status.
    init?(hexadecimal text: some StringProtocol) {
        guard let bits = UInt64(text, radix: 16) else { return nil }
        self.init(rawValue: bits)
    }

    /// By number; what is newer than this list is `CAP_` and its number.
    public var names: Set<String> { Set(numbers.map { $0 < Self.names.count ? Self.names[$0] : "CAP_\($0)" }) }

    /// The names in order, or "none".
    public var description: String { isEmpty ? "none" : names.sorted().joined(separator: " ") }

    var numbers: [Int] { (0..<64).filter { rawValue & 1 << UInt64($0) != 0 } }

    private static let names = [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
        "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
    ]
}
