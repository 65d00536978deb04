// SPDX-License-Identifier: MIT

/// Reads of other processes that have not come back: what they have mapped may come from whoever never delivers it, and such a
/// read can be ended by nobody.
public enum PendingReads {
    private static let pending = Guarded<(newest: UInt64, begins: [UInt64: Int64])>((0, [:]))

    static func during<Result>(_ read: () -> Result) -> Result {
        let begin = monotonic()
        let number = pending.withLock { pending in
            pending.newest += 1
            pending.begins[pending.newest] = begin
            return pending.newest
        }
        defer { pending.withLock { _ = $0.begins.removeValue(forKey: number) } }
        return read()
    }

    /// How long the oldest of them has taken, ns; 0: there is none.
    public static var longest: Int64 {
        let oldest = pending.withLock { $0.begins.values.min() }
        return oldest.map { monotonic() - $0 } ?? 0
    }
}
