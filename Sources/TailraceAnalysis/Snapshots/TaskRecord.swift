// SPDX-License-Identifier: MIT
import TailraceModel

/// Open tasks of all servers, as they were told last, and how their groups grow.
struct TaskRecord {
    private struct GroupKey: Hashable {
        let pid: Int32
        let provider: String
        let created: CodePlace?
        let state: String
        let waitsFor: String?
        let waitsAt: CodePlace?
    }
    private struct Seen {
        var first: (at: Nanoseconds, count: Int)
        var last: Nanoseconds
    }
    /// By process id, the preferred provider first.
    private var newest: [Int32: [TaskCount]] = [:]
    private var censuses: [Int32: TaskCensus] = [:]
    private var seen: [GroupKey: Seen] = [:]
    private(set) var counted: Nanoseconds?
    private static let mostGroups = 1024
    /// Processes whose counts are kept.
    private static let mostProcesses = 256

    mutating func take(_ sample: ServerSample) {
        let pid = sample.server.pid
        if newest[pid] == nil, newest.count >= Self.mostProcesses { return }
        newest[pid] = sample.tasks
    }

    /// Those of processes that serve nothing any more are let go.
    mutating func look(_ windows: [ServerWindow]) {
        let pids = Set(windows.map(\.server.pid))
        if newest.keys.contains(where: { !pids.contains($0) }) { newest = newest.filter { pids.contains($0.key) } }
        if censuses.keys.contains(where: { !pids.contains($0) }) {
            censuses = censuses.filter { pids.contains($0.key) }
            seen = seen.filter { pids.contains($0.key.pid) }
        }
    }

    /// Of a process, by its best provider; nil: nobody told it.
    func count(of pid: Int32) -> TaskCount? {
        newest[pid]?.first { $0.open != nil }
    }

    /// By provider, over all processes.
    var counts: [String: Int] {
        newest.values.reduce(into: [:]) { sums, counts in
            for count in counts { if let open = count.open { sums[count.provider, default: 0] += open } }
        }
    }

    /// Over all processes, each by its best provider; nil: nobody told any.
    var open: Int? {
        let counts = newest.keys.compactMap { count(of: $0)?.open }
        return counts.isEmpty ? nil : counts.reduce(0, +)
    }

    mutating func take(_ census: TaskCensus, at time: Nanoseconds) {
        if censuses[census.pid] == nil, censuses.count >= Self.mostProcesses { return }
        var census = census
        census.groups = Array(census.groups.prefix(64))
        censuses[census.pid] = census
        counted = time
        for group in census.groups {
            let key = Self.key(census.pid, group)
            if seen[key] == nil, seen.count >= Self.mostGroups { continue }
            seen[key, default: Seen(first: (time, group.count), last: time)].last = time
        }
    }

    private static func key(_ pid: Int32, _ group: TaskGroup) -> GroupKey {
        GroupKey(
            pid: pid, provider: group.provider, created: group.createdBy, state: group.state, waitsFor: group.waitsFor,
            waitsAt: group.waitsAt)
    }

    /// Largest first.
    var groups: [TaskPicture.Group] {
        let all = censuses.values.flatMap { census in
            census.groups.map { group in
                var growth: Double?
                if let known = seen[Self.key(census.pid, group)], known.last > known.first.at {
                    growth = Double(group.count - known.first.count) / Double(known.last - known.first.at) * 60e9
                }
                return TaskPicture.Group(pid: census.pid, group: group, growth: growth)
            }
        }
        let sorted = all.sorted {
            ($0.group.isSystem ? 1 : 0, $1.group.count, $0.pid) < ($1.group.isSystem ? 1 : 0, $0.group.count, $1.pid)
        }
        return Array(sorted.prefix(SnapshotBuilder.mostRows))
    }
}
