// SPDX-License-Identifier: MIT

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
        var seen: Set<UInt64> = [root]
        var waiting = [root]
        while let next = waiting.popLast() {
            for child in children[next] ?? [] where seen.insert(child).inserted { waiting.append(child) }
        }
        return seen.count - (present.contains(root) ? 0 : 1)
    }
}

extension Goroutines {
    /// How many goroutines are there of each root and its descendants; nil: this release does not keep who created whom.
    func remaining(of roots: [UInt64]) throws(TaskError) -> [UInt64: Int]? {
        guard runtime.layout.goroutine.parent != nil else { return nil }
        var all: [Goroutine] = []
        guard runtime.forEachGoroutine({ all.append($0) }) else { throw gone() }
        // Who happens to start a collection creates the collector's own goroutines.
        let functions = try runtime.functions(at: Set(all.map(\.startsAt)))
        var descent = GoDescent()
        for goroutine in all {
            let function = functions[goroutine.startsAt]?.place.function ?? ""
            if !runtime.isSystem(goroutine, function: function) { descent.add(goroutine.id, parent: goroutine.parent) }
        }
        return roots.reduce(into: [:]) { $0[$1] = descent.count(from: $1) }
    }
}
