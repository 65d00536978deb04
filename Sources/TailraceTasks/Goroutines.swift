// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Goroutines of a Go program: read from its memory, without a probe, a stop or a word from it.
public final class Goroutines: TaskProvider {
    /// As DESIGN names it.
    public static let name = "go"
    let runtime: GoRuntime
    private let pid: Int32
    /// When a goroutine was first met where it waits now: Go's own clock only starts at a garbage collection.
    private var firstMet: [UInt64: (place: UInt64, at: Int64)] = [:]
    private static let mostRemembered = 1 << 20

    /// - Throws: why its goroutines cannot be told.
    public init(pid: Int32) throws(TaskError) {
        runtime = try GoRuntime(pid: pid)
        self.pid = pid
    }

    /// The program's release of Go.
    public var remark: String? { "Go \(runtime.version), read from memory" }

    /// As `runtime.NumGoroutine()` counts them; throws where the process has ended.
    public func count() throws(TaskError) -> Int {
        guard let count = runtime.count() else { throw unreadable() }
        return count
    }

    func unreadable() -> TaskError {
        TaskError(.failed, "cannot read the goroutines of process \(pid): it has ended, or runs another program now")
    }

    private struct Key: Hashable {
        let createdAt: UInt64
        let startsAt: UInt64
        /// Status and reason.
        let state: UInt64
    }
    private struct Members {
        let key: Key
        var count: Int
        var oldest: Int64
        let sample: Goroutine
    }

    /// Responses whose client has gone, by the goroutine that serves them: whose tasks are looked for in the groups. nil:
    /// nobody knows any.
    public var gone: [UInt64: String]?

    /// By where they were created, what they run and what they wait for; throws where the process has ended.
    public func groups() throws(TaskError) -> [TaskGroup] {
        let now = monotonic()
        let (members, kin) = try gather(now)
        var counters: Set<UInt64> = []
        var stacks: [Key: [UInt64]] = [:]
        for group in members {
            counters.formUnion([group.key.startsAt, group.key.createdAt &- 1])
            guard group.sample.status == Goroutine.waiting else { continue }
            stacks[group.key] = runtime.stack(of: group.sample)
            counters.formUnion(stacks[group.key] ?? [])
        }
        let functions = try runtime.functions(at: counters)
        let groups = members.map { group in
            let key = group.key
            var told = TaskGroup(
                provider: Self.name, count: group.count,
                state: Goroutine.name(ofStatus: group.sample.status) ?? "unknown")
            told.runs = functions[key.startsAt]?.place
            // The first one is created by nobody's `go`.
            let isFirst = told.runs?.function == "runtime.main"
            told.createdBy = isFirst ? nil : functions[key.createdAt &- 1]?.place
            told.waitsFor = runtime.waitReason(group.sample)
            told.waitsAt = stacks[key].flatMap { place(in: $0, functions) }
            told.oldest = group.oldest > 0 ? group.oldest : nil
            told.isSystem = told.runs.map { runtime.isSystem(group.sample, function: $0.function) } ?? false
            return told
        }
        return mark(groups, kin)
    }

    private func gather(_ now: Int64) throws(TaskError) -> (groups: [Members], kin: [GoKin]) {
        var places: [Key: Int] = [:]
        var members: [Members] = []
        var kin: [GoKin] = []
        let wantsKin = gone?.isEmpty == false
        var met: [UInt64: (place: UInt64, at: Int64)] = [:]
        let remembers = watches && firstMet.count < Self.mostRemembered
        if remembers { met.reserveCapacity(firstMet.count) }
        // Neighbours are mostly alike: one look-up for a row of them.
        var newest: (key: Key, place: Int)?
        let isWhole = runtime.forEachGoroutine { goroutine in
            let isWaiting = goroutine.status == Goroutine.waiting
            let key = Key(
                createdAt: goroutine.createdAt, startsAt: goroutine.startsAt,
                state: UInt64(goroutine.status) << 8 | UInt64(isWaiting ? goroutine.waitReason : 0))
            var since = isWaiting && goroutine.waitsSince > 0 ? goroutine.waitsSince : now
            if isWaiting, remembers {
                let before = self.firstMet[goroutine.id].flatMap { $0.place == goroutine.stackPointer ? $0 : nil }
                met[goroutine.id] = before ?? (goroutine.stackPointer, now)
                since = min(since, before?.at ?? now)
            }
            let place = newest?.key == key ? newest?.place : places[key]
            if let place {
                members[place].count += 1
                members[place].oldest = max(members[place].oldest, now - since)
            } else {
                places[key] = members.count
                members.append(Members(key: key, count: 1, oldest: now - since, sample: goroutine))
            }
            newest = (key, place ?? members.count - 1)
            if wantsKin {
                kin.append(GoKin(id: goroutine.id, parent: goroutine.parent, group: place ?? members.count - 1))
            }
        }
        guard isWhole else { throw unreadable() }
        firstMet = met
        return (members, kin)
    }

    /// Whether ages are kept from one census to the next: for whoever takes several.
    public var watches = false

    /// The first of a stack that is neither the runtime's nor of what waits in its name.
    private func place(in stack: [UInt64], _ functions: [UInt64: ImageReader.Function]) -> CodePlace? {
        let places = stack.map { functions[$0]?.place }
        return places.lazy.compactMap { $0 }.first { place in
            !["runtime.", "internal/", "sync.", "time.", "syscall."].contains { place.function.hasPrefix($0) }
        }
    }
}

/// Now, ns of CLOCK_MONOTONIC.
func monotonic() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
