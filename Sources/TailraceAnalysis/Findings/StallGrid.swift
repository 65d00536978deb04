// SPDX-License-Identifier: MIT
import TailraceModel

/// How many responses are in flight, and how many of them are held, at every millisecond of the last seconds: a fixed amount
/// of memory, and constant time for each interval. Intervals may come late, up to the moment that is settled.
struct StallGrid {
    /// Time between two points, ns.
    static let step: Int64 = 1_000_000
    /// Points that are kept: what is told no later than this still counts.
    private static let points = 4096

    /// A count that changes at points.
    private struct Column {
        var changes: [Int32] = []
        /// At the point before the first.
        var now: Int32 = 0

        mutating func add(from: Int, to: Int) {
            if changes.isEmpty { changes = [Int32](repeating: 0, count: StallGrid.points) }
            changes[from] &+= 1
            changes[to] &-= 1
        }

        /// Over points at which nothing else is asked.
        mutating func skip(from first: Int64, to end: Int64) {
            guard !changes.isEmpty, now != 0 || changes.contains(where: { $0 != 0 }) else { return }
            for point in first..<max(first, min(end, first + Int64(StallGrid.points))) {
                step(at: Int(point % Int64(StallGrid.points)))
            }
        }

        mutating func step(at place: Int) {
            guard !changes.isEmpty else { return }
            now &+= changes[place]
            changes[place] = 0
        }
    }
    /// The first point that is not settled.
    private var first: Int64
    private var inFlight = Column()
    /// By anything, then by `WaitCause.index`.
    private var held = [Column](repeating: Column(), count: WaitCause.allCases.count + 1)

    /// Nothing before `begin`.
    init(begin: Nanoseconds) { first = Self.point(begin) }

    /// The first point that is not before `time`.
    private static func point(_ time: Nanoseconds) -> Int64 { (max(0, time) + step - 1) / step }

    private func places(from begin: Nanoseconds, to end: Nanoseconds) -> (Int, Int)? {
        let from = max(first, Self.point(begin))
        let to = min(Self.point(end), first + Int64(Self.points) - 1)
        return from < to ? (Int(from % Int64(Self.points)), Int(to % Int64(Self.points))) : nil
    }

    /// A response was in flight.
    mutating func addInFlight(from begin: Nanoseconds, to end: Nanoseconds) {
        if let (from, to) = places(from: begin, to: end) { inFlight.add(from: from, to: to) }
    }

    /// A response was held.
    mutating func add(_ hold: Hold) {
        guard let (from, to) = places(from: hold.begin, to: hold.end) else { return }
        held[0].add(from: from, to: to)
        held[hold.cause.index + 1].add(from: from, to: to)
    }

    /// Nothing before `time` changes any more. For holds by anything, then by each cause: how long at least one response was
    /// held, and how long all of them were, ns.
    mutating func settle(to time: Nanoseconds) -> [(some: Int64, full: Int64)] {
        var sums = [(some: Int64, full: Int64)](repeating: (0, 0), count: held.count)
        let end = Self.point(time)
        // Most servers are never held.
        guard held.contains(where: { !$0.changes.isEmpty }) else {
            inFlight.skip(from: first, to: end)
            first = max(first, end)
            return sums
        }
        for point in first..<max(first, min(end, first + Int64(Self.points))) {
            let place = Int(point % Int64(Self.points))
            inFlight.step(at: place)
            for column in held.indices {
                held[column].step(at: place)
                guard held[column].now > 0 else { continue }
                sums[column].some += Self.step
                if held[column].now >= inFlight.now { sums[column].full += Self.step }
            }
        }
        first = max(first, end)
        return sums
    }
}
