// SPDX-License-Identifier: MIT
import CProcess

/// Capabilities of this process that decide what can be told, by the kernel's numbers (linux/capability.h).
enum Capability: UInt64, CaseIterable {
    case dacReadSearch = 2
    case setgid = 6
    case setuid = 7
    case sysPtrace = 19
    case sysAdmin = 21
    case perfmon = 38
    case bpf = 39

    /// Whether this thread has it now.
    var isThere: Bool { cprocess_capabilities() >> rawValue & 1 != 0 }

    /// As people write it.
    var name: String {
        switch self {
        case .dacReadSearch: "CAP_DAC_READ_SEARCH"
        case .setgid: "CAP_SETGID"
        case .setuid: "CAP_SETUID"
        case .sysPtrace: "CAP_SYS_PTRACE"
        case .sysAdmin: "CAP_SYS_ADMIN"
        case .perfmon: "CAP_PERFMON"
        case .bpf: "CAP_BPF"
        }
    }
}
