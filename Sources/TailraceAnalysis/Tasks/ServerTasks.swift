// SPDX-License-Identifier: MIT
import TailraceModel

/// The open tasks of one server process, as they were counted, and what its responses left behind.
struct ServerTasks {
    let started: Nanoseconds
    private var counts: [(rank: Int, history: TaskHistory)] = []
    private var growing: String?
    private var writing: String?
    private var writingProvider: String?
    private var left: [(at: Nanoseconds, count: Int)] = []
    private var isLeftKnown = false
    /// Others are not believed.
    private static let providers = TaskCount.providers
    /// What was left behind is told for that long, ns: nobody looks again whether it is still there.
    private static let recent: Nanoseconds = 10_000_000_000
    private static let mostLeft = 4096

    init(started: Nanoseconds) { self.started = started }

    /// The newest reading.
    var newest: Nanoseconds { counts.map(\.history.newest).max() ?? .min }

    mutating func add(_ reading: TaskReading) {
        guard let rank = Self.providers.firstIndex(of: reading.provider) else { return }
        growing = reading.growing ?? growing
        // Of the others, who count only, nothing is heard of it.
        if reading.provider == writingProvider || reading.writing != nil {
            (writing, writingProvider) = (reading.writing, reading.provider)
        }
        let place = counts.firstIndex { $0.rank >= rank } ?? counts.count
        if place == counts.count || counts[place].rank != rank { counts.insert((rank, TaskHistory()), at: place) }
        counts[place].history.add(reading.open, at: reading.at)
    }

    mutating func add(left count: Int, at time: Nanoseconds) {
        isLeftKnown = true
        guard count > 0 else { return }
        if left.count >= Self.mostLeft { left.removeFirst(Self.mostLeft / 2) }
        left.append((time, count))
    }

    /// While a response was served, by the preferred of those who know; nil: nobody does.
    func range(from begin: Nanoseconds, to end: Nanoseconds) -> TaskRange? {
        var best: TaskRange?
        for place in counts.indices {
            let told = counts[place].history.range(from: begin, to: end)
            guard best == nil || told.end != nil else { continue }
            best = TaskRange(
                provider: Self.providers[counts[place].rank], begin: told.begin, end: told.end, max: told.max)
            if told.end != nil { break }
        }
        return best
    }

    /// Writes the counts of that moment into `sample`.
    mutating func tell(_ sample: inout ServerSample) {
        for (rank, history) in counts where history.newest != .min {
            sample.tasks.append(TaskCount(provider: Self.providers[rank], open: history.open(at: sample.at)))
        }
        sample.growing = growing
        sample.writing = writing
        left.removeAll { sample.at - $0.at > Self.recent }
        if isLeftKnown { sample.leftBehind = left.reduce(0) { $0 + $1.count } }
    }
}
