// SPDX-License-Identifier: MIT
import TailraceModel

/// A server process over the whole run: a fixed number of moments. When they are all used, each two become one.
struct MomentSeries {
    static let most = 120
    private(set) var moments: [ServerMoment] = []
    /// Looks that make a moment.
    private var looks = 1
    private var looked = 0
    /// Of the look to come.
    private var latency = Distribution()
    private var gaps: (count: Int64, sum: Int64) = (0, 0)

    /// A plain response ended.
    mutating func add(latency value: Int64) { latency.add(value) }

    /// Gaps between flushes of a streaming response that were not told before.
    mutating func add(gaps count: Int64, sum: Int64) {
        guard count > 0, sum >= 0 else { return }
        gaps = (gaps.count.sum(with: count), gaps.sum.sum(with: sum))
    }

    /// All sockets were looked at.
    mutating func add(_ sample: ServerSample, since: Nanoseconds) {
        var moment = ServerMoment()
        (moment.at, moment.length) = (since, max(0, sample.at - since))
        (moment.inFlight, moment.tasks) = (sample.inFlight, sample.tasks.first?.open)
        (moment.queuedBytes, moment.unsentBytes) = (sample.queuedBytes, sample.unsentBytes)
        moment.oldestUnsent = sample.oldestUnsent
        (moment.responses, moment.latency) = (latency.count, latency.p50)
        (moment.gaps, moment.gap) = (gaps.count, gaps.count > 0 ? gaps.sum / gaps.count : nil)
        latency.reset()
        gaps = (0, 0)
        append(moment)
    }

    private mutating func append(_ moment: ServerMoment) {
        if looked > 0, let last = moments.popLast() {
            moments.append(last.joined(with: moment))
        } else {
            if moments.count == Self.most { halve() }
            moments.append(moment)
        }
        looked = (looked + 1) % looks
    }

    private mutating func halve() {
        moments = stride(from: 0, to: moments.count, by: 2).map { moments[$0].joined(with: moments[$0 + 1]) }
        looks *= 2
    }

    /// Where its habits changed, by time. A change that is not half as much again, or so small that nobody cares, is none.
    var changes: [HabitChange] {
        Habit.allCases.flatMap { habit in
            let told = moments.compactMap { moment in
                (habit == .latency ? moment.latency : moment.gap).map { (at: moment.at, value: Double($0)) }
            }
            return Self.changes(of: habit, told.map(\.at), told.map(\.value))
        }.sorted { ($0.at, $0.habit.rawValue) < ($1.at, $1.habit.rawValue) }
    }

    private static let least = 100_000.0
    private static let factor = 1.5

    static func changes(of habit: Habit, _ times: [Nanoseconds], _ values: [Double]) -> [HabitChange] {
        var points = ChangePoint.all(in: values)
        // Without one that is no change, those beside it are compared with each other.
        while true {
            let bounds = [0] + points.map(\.index) + [values.count]
            let medians = (1..<bounds.count).map { Ordered.median(Array(values[bounds[$0 - 1]..<bounds[$0]])) ?? 0 }
            let small = points.indices.first { place in
                let (before, after) = (medians[place], medians[place + 1])
                return abs(after - before) < least || max(before, after) < factor * min(before, after)
            }
            if let small {
                points.remove(at: small)
                continue
            }
            return points.indices.map { place in
                HabitChange(
                    habit: habit, at: times[points[place].index], before: Int64(nearest: medians[place]),
                    after: Int64(nearest: medians[place + 1]), probability: points[place].probability)
            }
        }
    }
}
