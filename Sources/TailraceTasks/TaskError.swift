// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Why a process's tasks cannot be told: one sentence that a person can act on, and the exit code that says it to a script.
public struct TaskError: Error, CustomStringConvertible, Sendable {
    /// The exit codes of DESIGN section 5 that this can end with.
    public enum Kind: Int32, Sendable {
        case failed = 1
        /// This kernel cannot.
        case unsupported = 69
        /// This user may not.
        case forbidden = 77
    }
    /// Decides the exit code.
    public let kind: Kind
    /// The sentence.
    public let description: String

    /// Characters of a sentence, paths and names of functions in it too.
    private static let longest = 2048

    /// `description`: what failed, on what, why, and what to do. Names in it may come from the program that is looked at.
    public init(_ kind: Kind = .failed, _ description: String) {
        self.kind = kind
        self.description = Sanitizer.visible(description, longest: Self.longest)
    }

    /// `step` failed with `errno`.
    static func step(_ step: String, errno code: Int32) -> TaskError {
        let reason = String(cString: strerror(code))
        guard code == EPERM || code == EACCES else { return TaskError(.failed, "cannot \(step): \(reason)") }
        return TaskError(
            .forbidden, "cannot \(step): \(reason); run as root, or with the capabilities CAP_SYS_PTRACE and CAP_BPF")
    }
}
