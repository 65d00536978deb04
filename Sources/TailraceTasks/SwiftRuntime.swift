// SPDX-License-Identifier: MIT
import Glibc

/// One task of Swift Concurrency, as the runtime keeps it.
struct SwiftTask {
    /// Where its object is.
    let address: UInt64
    let id: UInt32
    /// Bits of `ActiveTaskStatus`.
    let status: UInt64
    let resumeFunction: UInt64
    let resumeContext: UInt64
    /// Made by `async let`.
    let isInParent: Bool

    var isComplete: Bool { status & 0x2000 != 0 }

    var state: String {
        if status & 0x800 != 0 { return "running" }
        return status & 0x1000 != 0 ? "runnable" : "waiting"
    }
}

/// The Swift Concurrency runtime of one process: its tasks are found in memory by what every one of them begins with.
final class SwiftRuntime {
    private let pid: Int32
    let memory: ProcessMemory
    /// What every task begins with.
    private let kind: UInt64
    /// Path of the runtime, or of the program where it is part of it. Untrusted.
    let image: String
    /// What this layout is: symbols that the runtime exports for debuggers.
    private static let names = (
        kind: "_swift_concurrency_debug_asyncTaskMetadata", size: "_swift_concurrency_debug_asyncTaskSize",
        version: "_swift_concurrency_debug_internal_layout_version"
    )
    /// Of Swift 6.3.
    private static let layout: (version: UInt32, size: UInt64) = (1, 208)
    /// Memory that is looked through, at most.
    private static let mostMemory = 8 << 30
    private static let pieceLength = 1 << 20
    /// Memory that is full of what looks like tasks is not believed beyond that.
    private static let mostTasks = 1 << 22
    /// Of children that `async let` made in one another.
    private static let deepestChild = 256
    /// `JobPriority` of a task: none has 0, unspecified, and what is above aborts the program.
    private static let priorities: ClosedRange<UInt8> = 1...0x21
    /// Where code is, at the latest look.
    private var code: [Range<UInt64>] = []

    /// - Throws: why that process's Swift tasks cannot be told.
    init(pid: Int32) throws(TaskError) {
        self.pid = pid
        memory = try ProcessMemory(pid: pid)
        let subject = ProcessFiles.link("/proc/\(pid)/exe") ?? "the executable of process \(pid)"
        let mapped = ProcessFiles.mappedFiles(of: pid)
        let library = mapped.first { $0.path.split(separator: "/").last?.hasPrefix("libswift_Concurrency.so") ?? false }
        let found = library ?? mapped.first { $0.path == subject }
        guard let found else { throw TaskError(.failed, "cannot find where \(subject) is loaded in process \(pid)") }
        image = found.path
        let path = library == nil ? "/proc/\(pid)/exe" : "/proc/\(pid)/root" + found.path
        let reader = try ImageReader(path: path, subject: found.path)
        let symbols = try reader.symbols(named: [Self.names.kind, Self.names.size, Self.names.version])
        guard let kindAt = symbols[0], let sizeAt = symbols[1], let versionAt = symbols[2] else {
            throw TaskError(.failed, "\(subject) has no Swift Concurrency runtime, or is stripped")
        }
        let bias = found.address &- reader.greeting.firstPage
        guard let version: UInt32 = memory.integer(at: versionAt.address &+ bias),
            let size: UInt64 = memory.integer(at: sizeAt.address &+ bias),
            let kind: UInt64 = memory.integer(at: kindAt.address &+ bias), kind != 0
        else { throw TaskError(.failed, "cannot read the Swift Concurrency runtime of process \(pid)") }
        guard (version, size) == Self.layout else {
            throw TaskError(
                .failed,
                "the Swift Concurrency runtime of process \(pid) is not known (layout \(version), \(size) bytes a task)"
            )
        }
        self.kind = kind
    }

    /// All tasks that are not complete; nil: its memory cannot be read, or is too large.
    func tasks() -> [SwiftTask]? {
        guard let regions = regions() else { return nil }
        var found: [SwiftTask] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.pieceLength + Int(Self.layout.size), alignment: 16)
        defer { buffer.deallocate() }
        for region in regions {
            var begin = region.lowerBound
            while begin < region.upperBound {
                // Each piece reaches into the next one, so that no task lies in two.
                let length = Int(min(region.upperBound - begin, UInt64(buffer.count)))
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
                if memory.read(at: begin, into: piece) { scan(piece, at: begin, &found) }
                begin += UInt64(Self.pieceLength)
            }
        }
        return withoutOrphans(found)
    }

    /// A child that `async let` made lies in its parent's own memory: it is never freed by itself, and there as long as its parent is.
    private func withoutOrphans(_ tasks: [SwiftTask]) -> [SwiftTask] {
        var parents: [UInt64: UInt64] = [:]
        for task in tasks where task.isInParent {
            parents[task.address] = memory.integer(at: task.address &+ Self.layout.size) ?? 0
        }
        guard !parents.isEmpty else { return tasks }
        let others = Set(tasks.lazy.filter { !$0.isInParent }.map(\.address))
        return tasks.filter { task in
            var address = task.address
            // Parents may have parents.
            for _ in 0..<Self.deepestChild {
                guard let parent = parents[address] else { return others.contains(address) }
                address = parent
            }
            return false
        }
    }

    private func scan(_ piece: UnsafeMutableRawBufferPointer, at begin: UInt64, _ found: inout [SwiftTask]) {
        let end = min(piece.count - Int(Self.layout.size), Self.pieceLength - 16)
        guard end >= 0 else { return }
        for offset in stride(from: 0, through: end, by: 16) {
            guard piece.loadUnaligned(fromByteOffset: offset, as: UInt64.self) == kind,
                let task = task(piece, offset, at: begin + UInt64(offset)), !task.isComplete,
                found.count < Self.mostTasks
            else { continue }
            found.append(task)
        }
    }

    /// nil: it only looks like one, as what a function left on its stack may.
    private func task(_ piece: UnsafeMutableRawBufferPointer, _ offset: Int, at address: UInt64) -> SwiftTask? {
        func number(_ place: Int) -> UInt64 { piece.loadUnaligned(fromByteOffset: offset + place, as: UInt64.self) }
        let flags = UInt32(truncatingIfNeeded: number(0x20))
        let status = number(0x60)
        let (function, context) = (number(0x38), number(0x40))
        let isInParent = flags & 1 << 28 != 0
        let priority = UInt8(truncatingIfNeeded: status)
        guard Self.isReferenced(number(8), isInParent), flags & 0xff == 0, flags >> 31 == 0, status >> 16 == 0,
            // It is raised from the one that it began with, never lowered.
            Self.priorities.contains(priority), priority >= UInt8(truncatingIfNeeded: flags >> 8), context > 4096,
            context & 7 == 0, code.contains(where: { $0.contains(function) })
        else { return nil }
        return SwiftTask(
            address: address, id: UInt32(truncatingIfNeeded: number(0x20) >> 32), status: status,
            resumeFunction: function, resumeContext: context, isInParent: isInParent)
    }

    /// Whether somebody still has it (swift/Runtime/RefCount.h). With its last reference a task is marked as going, bit 32, and the memory that
    /// it was in says so until something else is written there. References of what lies in its parent are not counted.
    private static func isReferenced(_ counts: UInt64, _ isInParent: Bool) -> Bool {
        isInParent ? UInt32(truncatingIfNeeded: counts) == .max : counts & 0x8000_0001_ffff_ffff == 3
    }

    /// Memory that the program writes and that comes from no file, where it is resident.
    private func regions() -> [Range<UInt64>]? {
        guard let maps = ProcessFiles.text(of: "/proc/\(pid)/maps") else { return nil }
        let pages = open("/proc/\(pid)/pagemap", O_RDONLY | O_CLOEXEC)
        guard pages >= 0 else { return nil }
        defer { close(pages) }
        var regions: [Range<UInt64>] = []
        var total = 0
        code = []
        for line in maps.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard words.count >= 5 else { continue }
            let bounds = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
            guard bounds.count == 2, bounds[0] < bounds[1] else { continue }
            if words[1].dropFirst(2).hasPrefix("x") { code.append(bounds[0]..<bounds[1]) }
            guard words[1].hasPrefix("rw"), words[4] == "0", words.count == 5 || !words[5].hasPrefix("[v") else {
                continue
            }
            let resident = Self.resident(bounds[0]..<bounds[1], pages)
            total += resident.reduce(0) { $0 + $1.count }
            guard total <= Self.mostMemory else { return nil }
            regions += resident
        }
        return regions
    }

    private static func resident(_ region: Range<UInt64>, _ pages: Int32) -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        var entries = [UInt64](repeating: 0, count: 65536)
        var address = region.lowerBound
        while address < region.upperBound {
            let wanted = min(Int((region.upperBound - address) / 4096), entries.count)
            let read = entries.withUnsafeMutableBytes { pread(pages, $0.baseAddress, wanted * 8, off_t(address / 512)) }
            guard read >= 8 else { break }
            for entry in entries[..<(read / 8)] {
                if entry >> 63 != 0 {
                    if let last = found.last, last.upperBound == address {
                        found[found.count - 1] = last.lowerBound..<address + 4096
                    } else {
                        found.append(address..<address + 4096)
                    }
                }
                address += 4096
            }
        }
        return found
    }
}
