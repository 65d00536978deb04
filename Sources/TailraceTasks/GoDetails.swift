// SPDX-License-Identifier: MIT
import TailraceModel

/// What the goroutines of one process are about, in words, for findings: looked at only when there is a reason, and at most a
/// hundredth of a processor.
struct GoDetails {
    private var first: [String: Int]?
    private var firstCount = 0
    private var nextGroups: Nanoseconds = 0
    private var nextWriters: Nanoseconds = 0
    /// The group that grew most; nil: none grew.
    private(set) var growing: String?
    /// Those that wait in a write; nil: nobody asked, or none does.
    private(set) var writing: String?
    /// Goroutines more than at first that are a reason to ask which they are.
    private static let fewest = 10
    private static let interval: Nanoseconds = 2_000_000_000
    private static let leisure: Nanoseconds = 99
    /// Writers whose stacks are looked at.
    private static let mostStacks = 512

    /// `asksWriters`: somebody waits for room in a send buffer.
    mutating func look(at goroutines: Goroutines, count: Int, asksWriters: Bool) {
        if first == nil || count >= firstCount + Self.fewest { lookAtGroups(goroutines, count) }
        if asksWriters { lookAtWriters(goroutines) } else { writing = nil }
    }

    private mutating func lookAtGroups(_ goroutines: Goroutines, _ count: Int) {
        let begin = monotonic()
        guard begin >= nextGroups, let groups = try? goroutines.groups().filter({ !$0.isSystem }) else { return }
        let counts = Dictionary(groups.map { (Self.words($0), $0.count) }, uniquingKeysWith: +)
        let end = monotonic()
        nextGroups = end + max(Self.interval, Self.leisure * (end - begin))
        guard let first else { return (self.first, firstCount) = (counts, count) }
        let growth = counts.mapValues { $0 }.merging(first) { $0 - $1 }.filter { counts[$0.key] != nil }
        let most = growth.max { ($0.value, $1.key) < ($1.value, $0.key) }
        guard let most, most.value >= Self.fewest / 2, let open = counts[most.key] else { return growing = nil }
        growing = "\(open) goroutines \(most.key)"
    }

    private mutating func lookAtWriters(_ goroutines: Goroutines) {
        let begin = monotonic()
        guard begin >= nextWriters else { return }
        let writers = (try? goroutines.writers(most: Self.mostStacks)) ?? [:]
        let end = monotonic()
        nextWriters = end + max(Self.interval / 2, Self.leisure * (end - begin))
        let most = writers.max { ($0.value, $1.key) < ($1.value, $0.key) }
        writing = most.map { most in
            "\(most.value == Self.mostStacks ? "At least \(most.value)" : "\(most.value)") "
                + "\(most.value == 1 ? "goroutine waits" : "goroutines wait") in \(most.key)"
        }
    }

    /// `created by main.stream (server.go:41), waiting for chan send in main.produce (server.go:60)`.
    private static func words(_ group: TaskGroup) -> String {
        var words = group.createdBy.map { "created by \($0.words)" } ?? "of \(group.runs?.words ?? "unknown origin")"
        if let reason = group.waitsFor { words += ", waiting for \(reason)" }
        if let place = group.waitsAt { words += " in \(place.words)" }
        return words
    }
}

extension Goroutines {
    /// Goroutines that wait for the network within a write, by the function; of more than `most` that wait for it, only so
    /// many are looked at. Throws where it cannot be read.
    func writers(most: Int) throws(TaskError) -> [String: Int] {
        var stacks: [[UInt64]] = []
        let isWhole = runtime.forEachGoroutine { goroutine in
            guard stacks.count < most, goroutine.status == Goroutine.waiting,
                runtime.waitReason(goroutine) == "IO wait"
            else { return }
            stacks.append(runtime.stack(of: goroutine))
        }
        guard isWhole else { throw unreadable() }
        let functions = try runtime.functions(at: Set(stacks.joined()))
        return stacks.reduce(into: [:]) { counts, stack in
            // `net.(*conn).Write` is what programs call; what is below it differs from release to release.
            let names = stack.compactMap { functions[$0]?.place.function }
            guard names.contains(where: { $0.hasPrefix("internal/poll.(*FD).Write") || $0.contains("SendFile") }),
                let name = names.first(where: { $0.hasPrefix("net.(*conn)") })
                    ?? names.first(where: { $0.hasPrefix("net.") })
            else { return }
            counts[name, default: 0] += 1
        }
    }
}
