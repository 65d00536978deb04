// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// The runtime of one Go process, read from its memory: it is neither stopped nor changed.
final class GoRuntime {
    let version: GoVersion
    let layout: GoRuntimeLayout
    let memory: ProcessMemory
    private let reader: ImageReader
    private let addresses: GoImage.Addresses
    /// Where the code begins, in the process.
    private let codeStart: UInt64
    /// `runtime.allp`.
    private var processorsAt: UInt64 = 0
    private var processors: [UInt64] = []
    private var processorsArray: UInt64 = 0
    private var known: [UInt64: ImageReader.Function?] = [:]
    /// More goroutines than fit into any memory, and more processors than any machine has.
    static let mostGoroutines = 16 << 20
    private static let mostProcessors = 1 << 14
    /// Functions that are remembered.
    private static let mostKnown = 1 << 16

    /// - Throws: why that process's goroutines cannot be told: it is no Go program, its release is not known, or what its
    ///   memory has is not plausible.
    init(pid: Int32) throws(TaskError) {
        let subject = ProcessFiles.link("/proc/\(pid)/exe") ?? "the executable of process \(pid)"
        memory = try ProcessMemory(pid: pid)
        reader = try ImageReader(path: "/proc/\(pid)/exe", subject: subject)
        let greeting = reader.greeting
        guard let version = greeting.goVersion else { throw TaskError(.failed, "\(subject) is no Go program") }
        guard let layout = GoRuntimeLayout(minor: version.minor) else {
            throw TaskError(.failed, "Go \(version) is not known; known are \(GoRuntimeLayout.known)")
        }
        (self.version, self.layout) = (version, layout)
        var bias: UInt64 = 0
        if greeting.isRelocatable {
            guard let mapped = ProcessFiles.mappedFiles(of: pid).first(where: { $0.path == subject }) else {
                throw TaskError(.failed, "cannot find where \(subject) is loaded in process \(pid)")
            }
            bias = mapped.address &- greeting.firstPage
        }
        guard let codeStart: UInt64 = memory.integer(at: greeting.codeStartAt &+ bias), codeStart > bias else {
            throw TaskError(.failed, "cannot find the code of \(subject) in process \(pid)")
        }
        self.codeStart = codeStart
        let inFile = try reader.addresses(codeStart: codeStart &- bias)
        addresses = GoImage.Addresses(
            goroutines: inFile.goroutines &+ bias, scheduler: inFile.scheduler &+ bias,
            processors: inFile.processors.map { $0 &+ bias })
        guard findProcessors() else {
            throw TaskError(
                .failed, "the memory of process \(pid) is not as a program of Go \(version) has it (processors)")
        }
        if let flaw = try GoPlausibility(self).flaw() {
            throw TaskError(
                .failed, "the memory of process \(pid) is not as a program of Go \(version) has it (\(flaw))")
        }
    }

    /// `runtime.allp` is the one whose processors have their place as number.
    private func findProcessors() -> Bool {
        for candidate in addresses.processors {
            processorsAt = candidate
            guard refreshProcessors() else { continue }
            let isNumbered = processors.enumerated().allSatisfy { place, address in
                memory.integer(Int32.self, at: address) == Int32(place)
            }
            if isNumbered { return true }
        }
        return false
    }

    private func refreshProcessors() -> Bool {
        guard let slice = memory.integers(3, at: processorsAt), (1...UInt64(Self.mostProcessors)).contains(slice[1]),
            slice[1] <= slice[2], let found = memory.integers(Int(slice[1]), at: slice[0])
        else { return false }
        (processorsArray, processors) = (slice[0], found)
        return true
    }

    /// Goroutines, as `runtime.NumGoroutine()` counts them: without those of the runtime. nil: it cannot be told now.
    func count() -> Int? {
        // Those that end move in batches between lists: of three looks in a row, the middle one.
        var looks: [Int] = []
        for _ in 0..<8 where looks.count < 3 { if let look = look() { looks.append(look) } }
        guard !looks.isEmpty else { return nil }
        return looks.sorted()[looks.count / 2]
    }

    /// `runtime.gcount`: all that were ever made, without those that ended and those of the runtime.
    private func look() -> Int? {
        guard let processorsNow = memory.integers(2, at: processorsAt) else { return nil }
        if processorsNow[0] != processorsArray || processorsNow[1] != UInt64(processors.count) {
            guard refreshProcessors() else { return nil }
        }
        guard let made: UInt64 = memory.integer(at: addresses.goroutines &+ 8), made <= UInt64(Self.mostGoroutines)
        else {
            return nil
        }
        var count = Int(made)
        for offset in layout.scheduler.freeCounts + [layout.scheduler.systemCount] {
            guard let part: Int32 = memory.integer(at: addresses.scheduler &+ UInt64(offset)) else { return nil }
            count -= Int(part)
        }
        for processor in processors {
            guard let free: Int32 = memory.integer(at: processor &+ UInt64(layout.processorFreeCount)) else {
                return nil
            }
            count -= Int(free)
        }
        return (1...Self.mostGoroutines).contains(count) ? count : nil
    }

    /// Addresses of all goroutines that were ever made, in the order of memory.
    func goroutineAddresses() -> [UInt64]? {
        guard let slice = memory.integers(3, at: addresses.goroutines), slice[1] <= slice[2],
            slice[1] <= UInt64(Self.mostGoroutines), var found = memory.integers(Int(slice[1]), at: slice[0])
        else { return nil }
        found.sort()
        return found
    }

    /// The functions that have these instructions; nil for those that none has.
    func functions(at counters: some Sequence<UInt64>) throws(TaskError) -> [UInt64: ImageReader.Function] {
        if known.count > Self.mostKnown { known = [:] }
        let wanted = Set(counters).filter { known[$0] == nil }.sorted()
        let inside = wanted.filter { $0 >= codeStart && $0 &- codeStart < UInt64(UInt32.max) }
        let found = try reader.functions(at: inside.map { UInt32($0 &- codeStart) })
        for counter in wanted { known[counter] = .some(nil) }
        for (counter, function) in zip(inside, found) { known[counter] = .some(function) }
        return counters.reduce(into: [:]) { found, counter in
            if let function = known[counter] ?? nil { found[counter] = function }
        }
    }

    /// Whether a function begins with this instruction.
    func isEntry(_ function: ImageReader.Function, at counter: UInt64) -> Bool {
        codeStart &+ UInt64(function.entry) == counter
    }
}
