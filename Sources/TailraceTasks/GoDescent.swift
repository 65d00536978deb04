// SPDX-License-Identifier: MIT
import TailraceModel

/// Who created whom, of all goroutines that are there. Ids are never used again, so what is found is theirs.
struct GoDescent {
    private var present: Set<UInt64> = []
    private var children: [UInt64: [UInt64]] = [:]

    mutating func add(_ goroutine: UInt64, parent: UInt64) {
        present.insert(goroutine)
        children[parent, default: []].append(goroutine)
    }

    /// Goroutines that are there of `root` and those that it and its descendants created. Of one whose creator has ended in
    /// between, nothing leads to `root` any more.
    func count(from root: UInt64) -> Int {
        let all = all(from: root)
        return all.count - (present.contains(root) ? 0 : 1)
    }

    /// The same one by one, `root` also where it is not there any more.
    func all(from root: UInt64) -> Set<UInt64> {
        var seen: Set<UInt64> = [root]
        var waiting = [root]
        while let next = waiting.popLast() {
            for child in children[next] ?? [] where seen.insert(child).inserted { waiting.append(child) }
        }
        return seen
    }
}

/// A goroutine among its kin, and its place among the groups.
struct GoKin {
    let id: UInt64
    let parent: UInt64
    let group: Int
}

extension Goroutines {
    /// How many goroutines are there of each root and its descendants; nil: this release does not keep who created whom.
    func remaining(of roots: [UInt64]) throws(TaskError) -> [UInt64: Int]? {
        guard runtime.layout.goroutine.parent != nil else { return nil }
        var all: [Goroutine] = []
        guard runtime.forEachGoroutine({ all.append($0) }) else { throw unreadable() }
        // Who happens to start a collection creates the collector's own goroutines.
        let functions = try runtime.functions(at: Set(all.map(\.startsAt)))
        var descent = GoDescent()
        for goroutine in all {
            let function = functions[goroutine.startsAt]?.place.function ?? ""
            if !runtime.isSystem(goroutine, function: function) { descent.add(goroutine.id, parent: goroutine.parent) }
        }
        return roots.reduce(into: [:]) { $0[$1] = descent.count(from: $1) }
    }

    /// `groups`, with what responses left behind whose client has gone. Where this release does not keep who created whom, or
    /// nobody knows such responses, that is not known.
    func mark(_ groups: [TaskGroup], _ kin: [GoKin]) -> [TaskGroup] {
        guard let gone, runtime.layout.goroutine.parent != nil else { return groups }
        var descent = GoDescent()
        var places: [UInt64: Int] = [:]
        for one in kin where !groups[one.group].isSystem {
            descent.add(one.id, parent: one.parent)
            places[one.id] = one.group
        }
        var counts = [[String: Int]](repeating: [:], count: groups.count)
        for (root, response) in gone {
            // Each belongs to one response: to the first that finds it.
            for id in descent.all(from: root) {
                if let place = places.removeValue(forKey: id) { counts[place][response, default: 0] += 1 }
            }
        }
        return zip(groups, counts).map { group, counts in
            var group = group
            group.leftBehindBy = counts.map { TasksOfResponse(response: $0.key, count: $0.value) }.sorted {
                ($1.count, $0.response) < ($0.count, $1.response)
            }
            return group
        }
    }
}
