// SPDX-License-Identifier: MIT
import TailraceModel

/// What one second told: distributions, and the few slowest.
struct SecondTally {
    /// Whole seconds of the events' clock; -1: unused.
    var second: Int64 = -1
    /// Ended responses of both kinds.
    var ended: Int64 = 0
    /// Delivered.
    var bytes: Int64 = 0
    var responses = WayTally()
    var flushes = WayTally()
    /// As the look of that second told; nil: there was none.
    var gauges: Gauges?

    /// What is counted once a second.
    struct Gauges {
        var open = 0
        var unsent: Int64 = 0
        var retransmits: Int64 = 0
        /// By provider.
        var tasks: [String: Int] = [:]
        /// Of the best provider of each server; nil: nobody but responses is known.
        var openTasks: Int?

        mutating func add(_ connection: ConnectionWindow) {
            if connection.isOpen { open += 1 }
            unsent += Int64(connection.sample.unsentBytes)
            retransmits += max(0, connection.retransmits)
        }
    }

    mutating func restart(_ second: Int64) {
        self.second = second
        ended = 0
        bytes = 0
        responses.reset()
        flushes.reset()
        gauges = nil
    }
}

/// Ways of one kind: of plain responses, or of flushes.
struct WayTally {
    private(set) var total = Distribution()
    private(set) var stages = [Distribution](repeating: Distribution(), count: Stage.allCases.count)
    private(set) var slow = Largest<SlowWay>(capacity: WayTally.mostSlow)
    /// The slowest that are kept of a second.
    private static let mostSlow = 16

    mutating func add(
        _ duration: Int64, _ times: borrowing StageTimes, _ causes: @autoclosure () -> CauseTimes, ackDelay: Int64?,
        _ used: [Stage]
    ) {
        total.add(duration)
        for stage in used {
            if let time = times[stage] { stages[stage.index].add(time) }
        }
        if slow.threshold.map({ $0.duration < duration }) ?? true {
            slow.add(SlowWay(duration: duration, times: times, causes: causes(), ackDelay: ackDelay))
        }
    }

    mutating func reset() {
        guard total.count > 0 else { return }
        total.reset()
        for place in stages.indices { stages[place].reset() }
        slow = Largest(capacity: Self.mostSlow)
    }
}

/// One of the slowest.
struct SlowWay: Comparable {
    let duration: Int64
    let times: StageTimes
    let causes: CauseTimes
    let ackDelay: Int64?

    init(duration: Int64, times: borrowing StageTimes, causes: CauseTimes, ackDelay: Int64?) {
        self.ackDelay = ackDelay
        self.duration = duration
        self.times = copy times
        self.causes = causes
    }

    static func == (left: SlowWay, right: SlowWay) -> Bool { left.duration == right.duration }
    static func < (left: SlowWay, right: SlowWay) -> Bool { left.duration < right.duration }
}

/// The newest seconds: a fixed number of them.
struct SecondRing {
    /// Seconds that are kept.
    static let length = 120
    /// Seconds that tables are made of.
    static let window = 60
    private var tallies = ContiguousArray(repeating: SecondTally(), count: SecondRing.length)
    /// The newest second that was told; -1: none was.
    private(set) var newest: Int64 = -1
    private(set) var oldest: Int64 = 0
    /// The newest look.
    private var looked: Nanoseconds?

    /// Changes the second of a time; what is older than all that are kept counts for the oldest one.
    @inline(__always)
    mutating func update(_ time: Nanoseconds, _ change: (inout SecondTally) -> Void) {
        var second = max(0, time) / 1_000_000_000
        if newest < 0 { (newest, oldest) = (second, second) }
        if second > newest {
            newest = second
            oldest = max(oldest, newest - Int64(Self.length) + 1)
        } else if second < oldest {
            second = max(second, newest - Int64(Self.length) + 1)
            oldest = min(oldest, second)
        }
        let place = Int(second % Int64(Self.length))
        if tallies[place].second != second { tallies[place].restart(second) }
        change(&tallies[place])
    }

    /// As a look at `time` told: the seconds since the one before it, where no look was, are like it.
    mutating func look(_ gauges: SecondTally.Gauges, at time: Nanoseconds) {
        let between = looked.map { time / 1_000_000_000 - $0 / 1_000_000_000 } ?? 1
        looked = time
        let seconds = max(1, min(Self.mostFilled, between))
        var gauges = gauges
        gauges.retransmits = (gauges.retransmits + seconds - 1) / seconds
        for second in (0..<seconds).reversed() { update(time - second * 1_000_000_000) { $0.gauges = gauges } }
    }
    /// Looks that are further apart tell nothing of what was between.
    private static let mostFilled: Int64 = 3

    /// The whole seconds that ended by `time`, oldest first, `count` at most; nil: nothing was told of it.
    func seconds(_ count: Int, before time: Nanoseconds) -> [SecondTally?] {
        guard newest >= 0 else { return [] }
        let end = max(0, time) / 1_000_000_000
        let begin = max(oldest, end - Int64(min(count, Self.length)))
        guard begin < end else { return [] }
        return (begin..<end).map { second in
            let tally = tallies[Int(second % Int64(Self.length))]
            return tally.second == second ? tally : nil
        }
    }
}
