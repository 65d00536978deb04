// SPDX-License-Identifier: MIT
import TailraceModel

/// Counts of one process over time: kept where they change, so that a quiet server costs nothing.
struct TaskHistory {
    private var changes: [(at: Nanoseconds, open: Int)] = []
    /// The newest count was read then.
    private(set) var newest: Nanoseconds = 0
    /// Beyond that, the older half is forgotten.
    private static let most = 8192

    /// A count that was read at `time`; times never go back.
    mutating func add(_ open: Int, at time: Nanoseconds) {
        newest = time
        guard changes.last?.open != open else { return }
        if changes.count >= Self.most { changes.removeFirst(Self.most / 2) }
        changes.append((time, open))
    }

    /// The newest count that was read at `time` or before; nil: none is kept from then.
    func open(at time: Nanoseconds) -> Int? { place(of: time).map { changes[$0].open } }

    /// The largest count from `begin` to `end`; nil: nothing is kept from `begin`.
    func largest(from begin: Nanoseconds, to end: Nanoseconds) -> Int? {
        guard let first = place(of: begin), let last = place(of: end), first <= last else { return nil }
        return changes[first...last].lazy.map(\.open).max()
    }

    private func place(of time: Nanoseconds) -> Int? {
        var low = 0
        var high = changes.count
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].at <= time { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? low - 1 : nil
    }
}
