// SPDX-License-Identifier: MIT
import Glibc
import Testing

/// The seeds of a property: 1,000, or as many as TAILRACE_SEEDS says; from TAILRACE_SEED on, to have a failure again.
enum Seeds {
    private static func number(_ name: String, otherwise: UInt64) -> UInt64 {
        getenv(name).flatMap { UInt64(String(cString: $0)) } ?? otherwise
    }
    private static let count = number("TAILRACE_SEEDS", otherwise: 1000)
    private static let first = number("TAILRACE_SEED", otherwise: 0)

    /// Shares of the seeds, so that all processors have work.
    static let shares = 0..<4

    /// Tries every seed of a share; `check` says what is wrong, or nil. Ends with the first that fails: one is read, not fifty.
    static func check(
        share: Int, sourceLocation: SourceLocation = #_sourceLocation, _ check: (UInt64) -> String?
    ) {
        for seed in first..<first + count where Int(seed % UInt64(shares.count)) == share {
            guard let failure = check(seed) else { continue }
            Issue.record("seed \(seed): \(failure)", sourceLocation: sourceLocation)
            return
        }
    }
}
