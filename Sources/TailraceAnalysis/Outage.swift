// SPDX-License-Identifier: MIT

/// Tells once that something does not work, and once that it does again.
public struct Outage: Sendable {
    /// What is new.
    public enum Change: Sendable, Equatable {
        /// It does not work, for this reason.
        case began(String)
        /// It works again.
        case ended
    }
    private var isOut = false

    /// It works, as far as is known.
    public init() {}

    /// As it is now. `problem` nil: it works. nil: nothing is new.
    public mutating func take(_ problem: String?) -> Change? {
        guard (problem != nil) != isOut else { return nil }
        isOut = problem != nil
        return problem.map { .began($0) } ?? .ended
    }
}
