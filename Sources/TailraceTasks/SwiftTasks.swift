// SPDX-License-Identifier: MIT
import TailraceModel

/// Tasks of Swift Concurrency, found in the memory of a program: those too that are older than this look.
public final class SwiftTasks: TaskProvider {
    /// As DESIGN names it.
    public static let name = "swift"
    private let pid: Int32
    private let runtime: SwiftRuntime
    private var readers: [String: ImageReader] = [:]
    /// Frames of a task that are looked at.
    private static let deepest = 12
    /// Tasks whose callers are looked at; the others are grouped by what they wait in.
    private static let mostChains = 20_000
    private static let mostImages = 64

    /// - Throws: why its tasks cannot be told.
    public init(pid: Int32) throws(TaskError) {
        self.pid = pid
        runtime = try SwiftRuntime(pid: pid)
        _ = try count()
    }

    /// How they are found.
    public var remark: String? { "Swift Concurrency, found in memory" }

    private func tasks() throws(TaskError) -> [SwiftTask] {
        guard let tasks = runtime.tasks() else {
            throw TaskError(
                .failed, "cannot look through the memory of process \(pid): it has ended, or has more than 8 GiB")
        }
        return tasks
    }

    /// Tasks that are not complete.
    public func count() throws(TaskError) -> Int { try tasks().count }

    private struct Key: Hashable {
        let frames: [UInt64]
        let state: String
    }

    /// By what they run and wait in.
    public func groups() throws(TaskError) -> [TaskGroup] {
        var counts: [Key: Int] = [:]
        for (place, task) in try tasks().enumerated() {
            let frames = place < Self.mostChains ? self.frames(of: task) : [task.resumeFunction]
            counts[Key(frames: frames, state: task.state), default: 0] += 1
        }
        let names = try self.names(of: Set(counts.keys.flatMap(\.frames)))
        return TaskGroup.merged(counts.map { key, count in group(key, count, names) }).groups
    }

    /// The function that goes on when a task does, and those that wait for it, the innermost first.
    private func frames(of task: SwiftTask) -> [UInt64] {
        var frames = [task.resumeFunction]
        var context = task.resumeContext
        // Each begins with the caller's, and where the caller goes on.
        while frames.count < Self.deepest, context != 0, context & 7 == 0,
            let pair = runtime.memory.integers(2, at: context),
            pair[1] != 0
        {
            frames.append(pair[1])
            context = pair[0]
        }
        return frames
    }

    private struct Name {
        let text: String
        let isRuntime: Bool
    }

    private func group(_ key: Key, _ count: Int, _ names: [UInt64: Name]) -> TaskGroup {
        var group = TaskGroup(provider: Self.name, count: count, state: key.state)
        let known = key.frames.compactMap { names[$0] }
        let own = known.filter { !$0.isRuntime }
        if let first = known.first, first.isRuntime, key.state == "waiting" { group.waitsFor = Self.wait(first.text) }
        group.waitsAt = own.first.map { CodePlace(function: $0.text) }
        // What a task runs is a closure, and that closure is written where the task is created.
        guard let outermost = own.last?.text else { return group }
        group.runs = CodePlace(function: outermost)
        if outermost.hasPrefix("closure #") || outermost.hasPrefix("implicit closure #"),
            let place = outermost.firstRange(of: " in ")
        {
            group.createdBy = CodePlace(function: String(outermost[place.upperBound...]))
        }
        return group
    }

    /// Swift's own, also where it is part of the program.
    private static func isRuntime(_ name: String) -> Bool {
        name == SwiftName.thunk
            || ["_ZL", "_ZN5swift", "swift_", "Swift.", "static Swift.", "(extension in Swift)"].contains {
                name.hasPrefix($0)
            }
    }

    /// What a task waits for in a function of the runtime.
    private static func wait(_ function: String) -> String? {
        for (part, words) in [
            ("task_future_wait", "a task's value"), ("task_group_wait", "a child of its group"), ("sleep", "sleep"),
        ] where function.contains(part) { return words }
        return nil
    }

    /// Names of the functions at these addresses, from the files that they are mapped from.
    private func names(of addresses: Set<UInt64>) throws(TaskError) -> [UInt64: Name] {
        let mapped = ProcessFiles.mappedFiles(of: pid)
        var byImage: [Int: [UInt64]] = [:]
        for address in addresses {
            // Files lie one behind the other: it belongs to the one that begins last before it.
            if let image = mapped.lastIndex(where: { $0.address <= address }) {
                byImage[image, default: []].append(address)
            }
        }
        var names: [UInt64: Name] = [:]
        for (place, addresses) in byImage where readers.count < Self.mostImages {
            let image = mapped[place]
            guard let reader = reader(of: image.path) else { continue }
            let bias = image.address &- reader.greeting.firstPage
            let isRuntime = image.path.split(separator: "/").last?.hasPrefix("libswift_Concurrency.so") ?? false
            for (address, name) in zip(addresses, try reader.names(at: addresses.map { $0 &- bias })) {
                guard let name else { continue }
                names[address] = Name(text: name, isRuntime: isRuntime || Self.isRuntime(name))
            }
        }
        return names
    }

    private func reader(of path: String) -> ImageReader? {
        if let known = readers[path] { return known }
        let program = ProcessFiles.link("/proc/\(pid)/exe")
        let reader = try? ImageReader(
            path: path == program ? "/proc/\(pid)/exe" : "/proc/\(pid)/root" + path, subject: path)
        readers[path] = reader
        return reader
    }
}
