// SPDX-License-Identifier: MIT

/// Why tracing cannot begin or go on: one sentence that a person can act on, and the exit code that says it to a script.
public struct CaptureError: Error, CustomStringConvertible, Sendable {
    /// The exit codes of DESIGN section 5 that capturing can end with.
    public enum Kind: Int32, Sendable {
        case failed = 1
        /// The recording is not readable.
        case unreadable = 65
        /// This kernel cannot.
        case unsupported = 69
        /// This user may not.
        case forbidden = 77
    }
    /// Decides the exit code.
    public let kind: Kind
    /// The sentence.
    public let description: String

    /// `description`: what failed, on what, why, and what to do.
    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// A step of loading failed with `errno`; `detail` is libbpf's own first warning, or empty.
    static func step(_ step: String, errno code: Int32, detail: String) -> CaptureError {
        let reason = describe(errno: code)
        let more = detail.isEmpty ? "" : " (\(firstLine(of: detail)))"
        switch code {
        case EPERM:
            return CaptureError(
                .forbidden,
                "cannot \(step): \(reason)\(more); run as root, or with the capabilities CAP_BPF and CAP_PERFMON")
        case EMFILE, ENFILE:
            return CaptureError(.failed, "cannot \(step): \(reason); raise the limit of open files (ulimit -n)")
        default:
            return CaptureError(
                .unsupported, "cannot \(step): \(reason)\(more); `tailrace doctor` shows what this kernel allows")
        }
    }
}

import Glibc

/// The C library's words for an error number.
func describe(errno code: Int32) -> String { String(cString: strerror(code)) }

private func firstLine(of text: String) -> String {
    String(text.prefix { $0 != "\n" })
}
