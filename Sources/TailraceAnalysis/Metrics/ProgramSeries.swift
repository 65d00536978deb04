// SPDX-License-Identifier: MIT
import TailraceModel

/// What is counted of one program: comm and cgroup, over its processes.
struct ProgramSeries: NamedTally {
    let name: ServerName
    let since: Nanoseconds
    var seen: Nanoseconds = 0
    var isAlive = false
    var responses: Int64 { 0 }
    private(set) var processes: Int64 = 0
    private(set) var inFlight: Int64 = 0
    private(set) var tasks: [TaskTotal] = []
    /// nil: not known of any process.
    private(set) var orphaned: Int64?
    private(set) var pressure = StallTotals()
    /// By anomaly and severity.
    private(set) var opened = [Int64](repeating: 0, count: Anomaly.allCases.count * Severity.allCases.count)
    /// By anomaly.
    private(set) var open = [Int64](repeating: 0, count: Anomaly.allCases.count)

    /// Open tasks by who counts them.
    struct TaskTotal {
        let provider: String
        /// nil: not known now.
        var open: Int64?
    }

    init(_ name: ServerName, since: Nanoseconds) {
        self.name = name
        self.since = since
    }

    mutating func forgetGauges() {
        processes = 0
        inFlight = 0
        orphaned = nil
        for place in tasks.indices { tasks[place].open = nil }
        for place in open.indices { open[place] = 0 }
    }

    /// One of its processes, as it is now.
    mutating func add(_ sample: ServerSample) {
        isAlive = true
        processes += 1
        inFlight += Int64(sample.inFlight)
        if let left = sample.leftBehind { orphaned = (orphaned ?? 0) + Int64(left) }
        for count in sample.tasks { add(count) }
    }

    /// Providers are few, and named by us.
    private static let mostProviders = 8

    private mutating func add(_ count: TaskCount) {
        guard let open = count.open else { return }
        if let place = tasks.firstIndex(where: { $0.provider == count.provider }) {
            tasks[place].open = (tasks[place].open ?? 0) + Int64(open)
        } else if tasks.count < Self.mostProviders {
            tasks.append(TaskTotal(provider: count.provider, open: Int64(open)))
        }
    }

    mutating func add(_ more: StallTotals) { pressure.add(more) }

    mutating func add(opened finding: Finding) {
        isAlive = true
        opened[finding.anomaly.place * Severity.allCases.count + finding.severity.place] += 1
    }

    mutating func add(open finding: Finding) {
        isAlive = true
        open[finding.anomaly.place] += 1
    }
}

/// Time that queues held responses, ns.
struct StallTotals {
    /// Of all causes, then by `WaitCause.index`.
    var some = [Int64](repeating: 0, count: 1 + WaitCause.allCases.count)
    var full = [Int64](repeating: 0, count: 1 + WaitCause.allCases.count)

    init() {}

    init(_ pressure: ServerPressure) {
        some = [pressure.all.some.total] + pressure.causes.map(\.some.total)
        full = [pressure.all.full.total] + pressure.causes.map(\.full.total)
    }

    mutating func add(_ other: StallTotals) {
        for place in some.indices {
            some[place] = some[place].sum(with: other.some[place])
            full[place] = full[place].sum(with: other.full[place])
        }
    }

    /// What grew since `before`, and no more than `most` ns each.
    func since(_ before: StallTotals, most: Int64) -> StallTotals {
        var grown = StallTotals()
        for place in some.indices {
            grown.some[place] = max(0, min(most, some[place] - before.some[place]))
            grown.full[place] = max(0, min(most, full[place] - before.full[place]))
        }
        return grown
    }
}

extension Anomaly {
    fileprivate var place: Int { Anomaly.allCases.firstIndex(of: self) ?? 0 }
}

extension Severity {
    fileprivate var place: Int { Severity.allCases.firstIndex(of: self) ?? 0 }
}
