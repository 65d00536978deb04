// SPDX-License-Identifier: MIT
import TailraceModel

/// Counts of one process over time: kept where they change, so that a quiet server costs nothing.
struct TaskHistory {
    private var changes: [(at: Nanoseconds, open: Int?)] = []
    /// The newest count was read then.
    private(set) var newest: Nanoseconds = .min
    /// Beyond that, the older half is forgotten.
    private static let most = 8192
    /// A count that is older says nothing of now, ns: whoever reads tells at least one a second...
    private static let stale: Nanoseconds = 5_000_000_000
    /// ... but for those whose readings are dear. Then one is missed at so many times of what lay between the last two.
    private static let patience = 2
    private var pace: Nanoseconds = 0

    /// A count that was read at `time`; nil: from then on it is not known. What is older than the newest is not taken.
    mutating func add(_ open: Int?, at time: Nanoseconds) {
        guard time >= newest else { return }
        // Nobody read for long: what was known before says nothing of that time.
        if changes.last?.open != nil, !isFresh(at: time) { changes.append((newest + Self.stale, nil)) }
        pace = newest == .min ? 0 : time.subtractingReportingOverflow(newest).partialValue
        newest = time
        if let last = changes.last, last.open == open { return }
        if changes.count >= Self.most { changes.removeFirst(Self.most / 2) }
        changes.append((time, open))
    }

    /// The newest count that was read at `time` or not long before; nil: none is known from then.
    func open(at time: Nanoseconds) -> Int? {
        guard let place = place(of: time), time < newest || isFresh(at: time) else { return nil }
        return changes[place].open
    }

    private func isFresh(at time: Nanoseconds) -> Bool {
        let (age, isTooMuch) = time.subtractingReportingOverflow(newest)
        return !isTooMuch && (age <= Self.stale || age / Nanoseconds(Self.patience) <= pace)
    }

    /// The counts at both, and the largest between; nil: not known. Most of what is asked is short and of now.
    func range(from begin: Nanoseconds, to end: Nanoseconds) -> (begin: Int?, end: Int?, max: Int?) {
        // Nothing was read since long before.
        guard let last = place(of: end), begin < newest || isFresh(at: begin) else { return (nil, nil, nil) }
        var first = last
        if changes[last].at > begin {
            guard let place = place(of: begin), place <= last else { return (nil, open(at: end), nil) }
            first = place
        }
        let atEnd = end < newest || isFresh(at: end) ? changes[last].open : nil
        var most = changes[first].open
        for place in first...last { if let open = changes[place].open { most = Swift.max(most ?? open, open) } }
        return (changes[first].open, atEnd, most)
    }

    private func place(of time: Nanoseconds) -> Int? {
        var low = 0
        var high = changes.count
        if let last = changes.last, last.at <= time { return high - 1 }
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].at <= time { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? low - 1 : nil
    }
}
