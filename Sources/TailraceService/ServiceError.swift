// SPDX-License-Identifier: MIT
import Glibc

/// Why a service cannot begin: one sentence that a person can act on.
public struct ServiceError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The sentence.
    public let description: String

    /// What failed, on what, why, and what to do.
    public init(_ description: String) { self.description = description }

    /// The last call failed.
    static func call(_ what: String, advice: String) -> ServiceError {
        ServiceError("\(what): \(String(cString: strerror(errno))); \(advice)")
    }
}
