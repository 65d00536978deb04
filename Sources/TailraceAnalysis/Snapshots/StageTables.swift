// SPDX-License-Identifier: MIT
import TailraceModel

extension StageTable {
    /// Of the newest seconds. `used`: stages that this kind of way has.
    init(_ seconds: [SecondTally?], _ way: (SecondTally) -> WayTally, used: [Stage]) {
        self.init()
        var stages = [Distribution](repeating: Distribution(), count: Stage.allCases.count)
        var slowest: [SlowWay] = []
        for case let second? in seconds {
            let tally = way(second)
            total.merge(tally.total)
            for stage in used { stages[stage.index].merge(tally.stages[stage.index]) }
            slowest += tally.slow.sorted
        }
        count = total.count
        rows = used.filter { stages[$0.index].count > 0 }.map { StageRow(stage: $0, times: stages[$0.index]) }
        for place in rows.indices {
            let index = rows[place].stage.index
            rows[place].recent = seconds.map { second in
                second.flatMap { way($0).stages[index].mean.map(Double.init) }
            }
        }
        addSlow(slowest)
    }

    /// The slowest 1 %, or as many of them as are kept.
    private mutating func addSlow(_ all: [SlowWay]) {
        guard count > 0 else { return }
        let slow = all.sorted(by: >).prefix(Int(clamping: max(1, (count + 99) / 100)))
        slowCount = slow.count
        slowFrom = slow.last?.duration ?? 0
        var (network, delay): (Int64, Int64?) = (0, nil)
        for way in slow {
            network = network.sum(with: way.times[.network] ?? 0)
            if let ackDelay = way.ackDelay { delay = (delay ?? 0).sum(with: ackDelay) }
            slowCauses.merge(way.causes)
            guard way.duration > 0 else { continue }
            for place in rows.indices {
                let share = Double(way.times[rows[place].stage] ?? 0) / Double(way.duration)
                rows[place].slowShare += min(1, share) / Double(slow.count)
            }
        }
        if network > 0, let delay { slowAckDelay = min(1, Double(delay) / Double(network)) }
    }

    /// How the stages of responses go with open tasks, as watched.
    mutating func take(_ correlations: [StageCorrelation]) {
        for place in rows.indices {
            guard let known = correlations.first(where: { $0.stage == rows[place].stage }), known.count >= 20 else {
                continue
            }
            (rows[place].rho, rows[place].probability) = (known.rho, known.probability)
        }
    }

    /// How the stages of flushes go with open responses, second by second.
    mutating func correlate(with open: [Double?]) {
        for place in rows.indices {
            let pairs = zip(open, rows[place].recent).compactMap { open, time in
                open.flatMap { open in time.map { (open, $0) } }
            }
            guard pairs.count >= 20, let rank = RankCorrelation(pairs.map(\.0), pairs.map(\.1)) else { continue }
            (rows[place].rho, rows[place].probability) = (rank.rho, rank.probability)
        }
    }
}

extension HeatMap {
    /// A column for each second.
    init(_ seconds: [SecondTally?], _ way: (SecondTally) -> WayTally) {
        self.init()
        columns = seconds.map { second in
            guard let total = second.map({ way($0).total }), total.count > 0 else { return [] }
            var counts = [UInt32](repeating: 0, count: HeatMap.rows)
            total.forEachBucket { bucket, values in counts[bucket / 4] &+= UInt32(clamping: values) }
            return counts
        }
    }
}

extension SnapshotSeries {
    /// Seconds that a 99th percentile is made of.
    static let smooth = 10

    init(_ seconds: [SecondTally?], _ way: (SecondTally) -> WayTally) {
        self.init()
        let gauges = seconds.map { $0?.gauges }
        open = gauges.map { $0.map { Double($0.open) } }
        tasks = gauges.map { $0?.openTasks.map(Double.init) }
        unsent = gauges.map { $0.map { Double($0.unsent) } }
        retransmits = gauges.map { $0.map { Double($0.retransmits) } }
        ended = seconds.map { Double($0?.ended ?? 0) }
        bytes = seconds.map { Double($0?.bytes ?? 0) }
        p50 = seconds.map { $0.flatMap { way($0).total.p50.map(Double.init) } }
        most = seconds.map { second in
            second.flatMap { way($0).total.count > 0 ? Double(way($0).total.max) : nil }
        }
        p99 = seconds.indices.map { place in
            var all = Distribution()
            for case let second? in seconds[max(0, place - Self.smooth + 1)...place] { all.merge(way(second).total) }
            return all.p99.map(Double.init)
        }
    }
}
