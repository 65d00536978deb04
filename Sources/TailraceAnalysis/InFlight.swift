// SPDX-License-Identifier: MIT

/// How many responses a server has in flight, and the largest count since any moment.
///
/// The maxima are kept as a falling staircase: a count that a later one reaches can never be a maximum again. So the
/// staircase is no longer than the largest count, and a question is one binary search.
struct InFlight {
    private(set) var count = 0
    private var moment = 0
    private var stairs: [(moment: Int, count: Int)] = []

    /// A response begins. Returns the moment, for `largest(since:)`.
    mutating func begin() -> Int {
        count += 1
        moment += 1
        while let last = stairs.last, last.count <= count { stairs.removeLast() }
        stairs.append((moment, count))
        return moment
    }

    /// A response ends.
    mutating func end() { count = max(0, count - 1) }

    /// The largest count from `moment` to now.
    func largest(since moment: Int) -> Int {
        var low = 0
        var high = stairs.count
        while low < high {
            let middle = (low + high) / 2
            if stairs[middle].moment >= moment { high = middle } else { low = middle + 1 }
        }
        return low < stairs.count ? stairs[low].count : count
    }
}
