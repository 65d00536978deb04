// SPDX-License-Identifier: MIT
import TailraceModel

/// Who created whom, of all goroutines that are there. Ids are never used again, so what is found is theirs.
struct GoDescent {
    private var present: Set<UInt64> = []
    /// Those whose place in memory still says who created them.
    private var ended: Set<UInt64> = []
    private var children: [UInt64: [UInt64]] = [:]
    private var parents: [UInt64: UInt64] = [:]

    mutating func add(_ goroutine: UInt64, parent: UInt64) {
        present.insert(goroutine)
        children[parent, default: []].append(goroutine)
        parents[goroutine] = parent
    }

    /// The same of one that has ended: it leads to what it created.
    mutating func addEnded(_ goroutine: UInt64, parent: UInt64) {
        guard !present.contains(goroutine), ended.insert(goroutine).inserted else { return }
        children[parent, default: []].append(goroutine)
    }

    /// Goroutines that are there of `root` and those that it and its descendants created.
    func count(from root: UInt64) -> Int { all(from: root).count { present.contains($0) } }

    /// The same one by one, and those that have ended between them.
    func all(from root: UInt64) -> Set<UInt64> {
        var seen: Set<UInt64> = [root]
        var waiting = [root]
        while let next = waiting.popLast() {
            for child in children[next] ?? [] where seen.insert(child).inserted { waiting.append(child) }
        }
        return seen
    }

    /// Goroutines that are there, of whose creator nothing is left, with that creator.
    var strays: [UInt64: UInt64] {
        parents.filter { $1 != 0 && !present.contains($1) && !ended.contains($1) }
    }

    /// Whose they are is not known: they may belong to any root that is older. To be told before anything is counted.
    var doubtful: Set<UInt64> = []

    /// All that are there.
    var all: Set<UInt64> { present }
}

/// What responses left behind of one program's goroutines, from look to look.
struct GoRemains {
    /// Those that were there at the look before.
    private var before: Set<UInt64> = []

    /// A look without a question.
    mutating func look(at descent: GoDescent) { before = descent.all }

    /// How many are there of each root and its descendants; those of which that is not known are left out.
    mutating func counts(of roots: [UInt64], in descent: GoDescent) -> [UInt64: Int] {
        defer { look(at: descent) }
        let hasYoung = descent.doubtful.contains { !before.contains($0) }
        return roots.reduce(into: [:]) { counts, root in
            // What was there before the root was is not its descendant.
            let isKnown = descent.doubtful.isEmpty || !hasYoung && !before.contains(root)
            if isKnown { counts[root] = descent.count(from: root) }
        }
    }
}

/// A goroutine among its kin, and its place among the groups.
struct GoKin {
    let id: UInt64
    let parent: UInt64
    let group: Int
}

extension Goroutines {
    /// How many goroutines are there of each root and its descendants; nil: this release does not keep who created whom. Roots of which it is
    /// not known are left out. `serving`: who has served a connection; asked only where there is doubt.
    func remaining(of roots: [UInt64], serving: () -> Set<UInt64>) throws(TaskError) -> [UInt64: Int]? {
        guard runtime.layout.goroutine.parent != nil else { return nil }
        return remains.counts(of: roots, in: try descent { serving().union(roots) })
    }

    /// What is there now is nobody's whose server is yet to come.
    func beginRemains() {
        guard runtime.layout.goroutine.parent != nil, let descent = try? descent({ [] }) else { return }
        remains.look(at: descent)
    }

    private func descent(_ serving: () -> Set<UInt64>) throws(TaskError) -> GoDescent {
        var all: [Goroutine] = []
        var descent = GoDescent()
        var ended: [(id: UInt64, parent: UInt64)] = []
        let isWhole = runtime.forEachGoroutine(ended: { ended.append(($0, $1)) }, { all.append($0) })
        guard isWhole else { throw unreadable() }
        // Who happens to start a collection creates the collector's own goroutines.
        let functions = try runtime.functions(at: Set(all.map(\.startsAt)))
        for goroutine in all {
            let function = functions[goroutine.startsAt]?.place.function ?? ""
            if !runtime.isSystem(goroutine, function: function) { descent.add(goroutine.id, parent: goroutine.parent) }
        }
        for (id, parent) in ended { descent.addEnded(id, parent: parent) }
        let strays = descent.strays
        guard !strays.isEmpty else { return descent }
        // Who serves was created by the server's own loop, and what Go's packages create is for all: connections that a client keeps.
        let known = serving()
        let doubtful = all.filter { strays[$0.id].map { !known.contains($0) } ?? false }
        let creators = try runtime.functions(at: Set(doubtful.map { $0.createdAt &- 1 }))
        descent.doubtful = Set(
            doubtful.lazy.filter { !GoPlaces.isGo(creators[$0.createdAt &- 1]?.place.function ?? "") }.map(\.id))
        return descent
    }

    /// `groups`, with what responses left behind whose client has gone. Where this release does not keep who created whom, or
    /// nobody knows such responses, that is not known.
    func mark(_ groups: [TaskGroup], _ kin: ContiguousArray<GoKin>) -> [TaskGroup] {
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
