// SPDX-License-Identifier: MIT
import TailraceModel

/// Goroutines put together by where they were created, what they run, and what and where they wait for. Where they wait is on their stacks,
/// and to read all of those would take too long: those that are alike without them are looked at in some, and one by one where those differ.
struct GoGroups {
    /// What is known without a look at its stack.
    private struct Key: Hashable {
        let createdAt: UInt64
        let startsAt: UInt64
        /// Status and reason.
        let state: UInt64
        /// Bytes of stack in use: who waits in another function mostly has another number.
        let depth: UInt64
    }
    private struct Alike {
        let key: Key
        let first: Goroutine
        var count = 0
        var oldest: Int64 = 0
        /// Places in `waiting`.
        var samples: [Int] = []
    }
    private struct Waiting {
        let goroutine: Goroutine
        /// How long, ns.
        let age: Int64
        let alike: Int
    }
    /// Of those that are alike, those that wait in the same place.
    private struct Part {
        let first: Goroutine
        let place: CodePlace?
        var count = 0
        var oldest: Int64 = 0
    }
    private var alikes: [Alike] = []
    private var places: [Key: Int] = [:]
    private var waiting: ContiguousArray<Waiting> = []
    private var kin: ContiguousArray<GoKin> = []
    private var newest: (key: Key, place: Int)?
    private let keepsKin: Bool

    /// Beyond that depths are not told apart.
    private static let mostAlike = 1024
    private static let mostWaiting = 1 << 18
    /// All of so few are looked at; of more each whose number is a power of two.
    private static let fewSamples = 16
    /// Stacks that are read for samples, and where samples differ.
    private static let mostStacks = (samples: 2048, differing: 4096)

    /// `keepsKin`: also who created whom.
    init(keepsKin: Bool) { self.keepsKin = keepsKin }

    /// `age`: how long it has waited, ns.
    mutating func add(_ goroutine: Goroutine, age: Int64) {
        let isWaiting = goroutine.status == Goroutine.waiting
        let key = Key(
            createdAt: goroutine.createdAt, startsAt: goroutine.startsAt,
            state: UInt64(goroutine.status) << 8 | UInt64(isWaiting ? goroutine.waitReason : 0),
            depth: isWaiting && alikes.count < Self.mostAlike ? goroutine.stackHigh &- goroutine.stackPointer : 0)
        // Neighbours are mostly alike: one look-up for a row of them.
        let place = newest?.key == key ? newest?.place : places[key]
        let alike = place ?? alikes.count
        if place == nil {
            places[key] = alike
            alikes.append(Alike(key: key, first: goroutine))
        }
        newest = (key, alike)
        alikes[alike].count += 1
        alikes[alike].oldest = max(alikes[alike].oldest, age)
        if keepsKin { kin.append(GoKin(id: goroutine.id, parent: goroutine.parent, group: alike)) }
        guard isWaiting, waiting.count < Self.mostWaiting else { return }
        let count = alikes[alike].count
        if count <= Self.fewSamples || count & (count - 1) == 0 { alikes[alike].samples.append(waiting.count) }
        waiting.append(Waiting(goroutine: goroutine, age: age, alike: alike))
    }

    /// With names and places; and who belongs to which, and was created by whom.
    func told(by runtime: GoRuntime) throws(TaskError) -> (groups: [TaskGroup], kin: ContiguousArray<GoKin>) {
        let (parts, single) = try parts(runtime)
        let functions = try runtime.functions(at: Set(alikes.flatMap { [$0.key.startsAt, $0.key.createdAt &- 1] }))
        // Whoever was told apart one by one is in no part of those that are alike.
        let (groups, places) = TaskGroup.merged(
            parts.map { $0.count > 0 ? Self.group($0, functions, runtime) : nil })
        let kin = kin.compactMap { one in
            places[single[one.id] ?? one.group].map { GoKin(id: one.id, parent: one.parent, group: $0) }
        }
        return (groups, ContiguousArray(kin))
    }

    private static func group(
        _ part: Part, _ functions: [UInt64: ImageReader.Function], _ runtime: GoRuntime
    ) -> TaskGroup {
        var told = TaskGroup(
            provider: Goroutines.name, count: part.count,
            state: Goroutine.name(ofStatus: part.first.status) ?? "unknown")
        told.runs = functions[part.first.startsAt]?.place
        // The first one is created by nobody's `go`.
        let isFirst = told.runs?.function == "runtime.main"
        told.createdBy = isFirst ? nil : functions[part.first.createdAt &- 1]?.place
        told.waitsFor = runtime.waitReason(part.first)
        told.waitsAt = part.place
        told.oldest = part.oldest > 0 ? part.oldest : nil
        told.isSystem = told.runs.map { runtime.isSystem(part.first, function: $0.function) } ?? false
        return told
    }

    /// A part for each that are alike, in their order, and more where they do not all wait in the same place; and which goroutines are in
    /// those.
    private func parts(_ runtime: GoRuntime) throws(TaskError) -> ([Part], [UInt64: Int]) {
        var stacks = sampled(runtime)
        var functions = try runtime.functions(at: Set(stacks.values.joined()))
        let differing = Set(
            alikes.indices.filter { alike in
                Set(alikes[alike].samples.compactMap { stacks[$0].map { GoPlaces.wait(in: $0, functions) } }).count > 1
            })
        if !differing.isEmpty {
            var left = Self.mostStacks.differing
            for place in waiting.indices
            where differing.contains(waiting[place].alike) && stacks[place] == nil && left > 0 {
                stacks[place] = runtime.stack(of: waiting[place].goroutine)
                left -= 1
            }
            functions = try runtime.functions(at: Set(stacks.values.joined()))
        }
        var parts = alikes.map { alike in
            let place = alike.samples.first.flatMap { stacks[$0] }.flatMap { GoPlaces.wait(in: $0, functions) }
            return Part(first: alike.first, place: place, count: alike.count, oldest: alike.oldest)
        }
        let single = divide(differing, &parts) { stacks[$0].flatMap { GoPlaces.wait(in: $0, functions) } }
        return (parts, single)
    }

    /// Of each the first, then of each the second ...: whoever has few is seen too.
    private func sampled(_ runtime: GoRuntime) -> [Int: [UInt64]] {
        var stacks: [Int: [UInt64]] = [:]
        for round in 0..<64 {
            for alike in alikes where round < alike.samples.count {
                guard stacks.count < max(Self.mostStacks.samples, alikes.count) else { return stacks }
                stacks[alike.samples[round]] = runtime.stack(of: waiting[alike.samples[round]].goroutine)
            }
        }
        return stacks
    }

    /// Makes a part of each place that some of them wait in; what is left of theirs was not looked at. Returns the part of each.
    private func divide(
        _ differing: Set<Int>, _ parts: inout [Part], _ place: (Int) -> CodePlace?
    ) -> [UInt64: Int] {
        struct Division: Hashable {
            let alike: Int
            let place: CodePlace
        }
        guard !differing.isEmpty else { return [:] }
        var divisions: [Division: Int] = [:]
        var single: [UInt64: Int] = [:]
        for alike in differing {
            parts[alike] = Part(first: alikes[alike].first, place: nil, count: alikes[alike].count)
        }
        for (number, one) in waiting.enumerated() where differing.contains(one.alike) {
            guard let place = place(number) else {
                parts[one.alike].oldest = max(parts[one.alike].oldest, one.age)
                continue
            }
            let part = divisions[Division(alike: one.alike, place: place)] ?? parts.count
            if part == parts.count {
                divisions[Division(alike: one.alike, place: place)] = part
                parts.append(Part(first: one.goroutine, place: place))
            }
            parts[part].count += 1
            parts[part].oldest = max(parts[part].oldest, one.age)
            parts[one.alike].count -= 1
            single[one.goroutine.id] = part
        }
        return single
    }
}

extension TaskGroup {
    /// What members of one group have in common.
    private struct Kind: Hashable {
        let createdBy: CodePlace?
        let runs: CodePlace?
        let state: String
        let waitsFor: String?
        let waitsAt: CodePlace?
    }
    private var kind: Kind {
        Kind(createdBy: createdBy, runs: runs, state: state, waitsFor: waitsFor, waitsAt: waitsAt)
    }

    /// Others of the same kind.
    private mutating func add(_ other: TaskGroup) {
        count += other.count
        oldest = [oldest, other.oldest].compactMap { $0 }.max()
    }

    /// Those that turn out to be of one kind are one group, in the order of the first of each; and where each has gone.
    static func merged(_ all: [TaskGroup?]) -> (groups: [TaskGroup], places: [Int?]) {
        var groups: [TaskGroup] = []
        var firsts: [Kind: Int] = [:]
        let places: [Int?] = all.map { group in
            guard let group else { return nil }
            let place = firsts[group.kind] ?? groups.count
            if place == groups.count {
                firsts[group.kind] = place
                groups.append(group)
            } else {
                groups[place].add(group)
            }
            return place
        }
        return (groups, places)
    }
}

/// Which of a stack's functions says where a goroutine waits.
enum GoPlaces {
    /// What waits in the name of others.
    private static let machinery: Set<Substring> = ["runtime", "internal", "sync", "time", "syscall"]
    /// Go's own packages, by the first part of their path.
    private static let library: Set<Substring> = [
        "archive", "bufio", "bytes", "cmp", "compress", "container", "context", "crypto", "database", "debug", "embed",
        "encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html", "image", "index", "io", "iter", "log",
        "maps",
        "math", "mime", "net", "os", "path", "plugin", "reflect", "regexp", "slices", "sort", "strconv", "strings",
        "structs",
        "testing", "text", "unicode", "unique", "vendor", "weak",
    ]

    /// The innermost of the program's own, and where it has none, the innermost that does not only wait.
    static func wait(in stack: [UInt64], _ functions: [UInt64: ImageReader.Function]) -> CodePlace? {
        var first: CodePlace?
        for place in stack.lazy.compactMap({ functions[$0]?.place }) {
            if machinery.contains(package(of: place.function)) { continue }
            if !isGo(place.function) { return place }
            first = first ?? place
        }
        return first
    }

    /// Whether it is of a package that comes with Go.
    static func isGo(_ function: String) -> Bool {
        let package = package(of: function)
        return machinery.contains(package) || library.contains(package)
    }

    private static func package(of function: String) -> Substring { function.prefix { $0 != "/" && $0 != "." } }
}
