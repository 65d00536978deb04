// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// All who tell of one process's tasks, each as often as it may: what all of them cost is a bounded share of a processor.
struct GaugedProcess {
    private struct Reader {
        let name: String
        let provider: any TaskProvider
        var due: Nanoseconds = 0
    }
    private var readers: [Reader] = []
    private let begun: Nanoseconds
    /// All readings of all processes take at most 1 in so many parts of a processor's time.
    private static let share: Nanoseconds = 200
    /// What failed once is not begun again before, ns.
    private static let patience: Nanoseconds = 1_000_000_000

    /// Those of `kinds` that can tell, in their order. `fail`: why one cannot.
    init(pid: Int32, kinds: [TaskProviderKind], fail: (TaskProviderKind, TaskError) -> Void) {
        begun = monotonic()
        var hasRuntime = false
        for kind in kinds where !(kind.isRuntime && hasRuntime) {
            do throws(TaskError) {
                readers.append(Reader(name: kind.name, provider: try kind.make(pid)))
                hasRuntime = hasRuntime || kind.isRuntime
            } catch {
                fail(kind, error)
            }
        }
    }

    /// How many tell.
    var count: Int { readers.count }

    /// Of who is preferred.
    func groups() -> [TaskGroup] { (try? readers.first?.provider.groups()) ?? [] }

    /// nil: it has none.
    var goroutines: Goroutines? { readers.lazy.compactMap { $0.provider as? Goroutines }.first }

    /// What became of a process.
    enum Outcome {
        case told
        /// It has ended.
        case ended
        /// It runs another program now.
        case changed
    }

    /// Reads what is due, one of `all` readers at most so often that they keep to their share. `tell`: nil where one cannot tell
    /// any more.
    mutating func read(all: Int, _ tell: (_ provider: String, _ open: Int?, _ at: Nanoseconds) -> Void) -> Outcome {
        var failed: Set<String> = []
        for place in readers.indices where readers[place].due <= monotonic() {
            let (time, cost) = (monotonic(), Self.processorTime())
            let open = try? readers[place].provider.count()
            // What is looked at when a count is told has its own share: a count that has just grown is the next one's time.
            let pause = Self.share * Nanoseconds(max(1, all)) * (Self.processorTime() - cost)
            readers[place].due = time + max(TaskGauge.interval, pause)
            if open == nil { failed.insert(readers[place].name) }
            tell(readers[place].name, open, time)
        }
        guard !failed.isEmpty else { return .told }
        let isThere = !failed.contains(Threads.name)
        if isThere, monotonic() - begun < Self.patience {
            readers.removeAll { failed.contains($0.name) }
            return .told
        }
        for reader in readers where !failed.contains(reader.name) { tell(reader.name, nil, monotonic()) }
        return isThere ? .changed : .ended
    }

    /// Of this thread, ns.
    private static func processorTime() -> Nanoseconds {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Nanoseconds(time.tv_sec) * 1_000_000_000 + Nanoseconds(time.tv_nsec)
    }
}

/// Programs that are known to have no tasks of one kind: nobody asks them again.
struct SilentPrograms {
    private struct Entry: Hashable {
        let device: UInt
        let file: UInt
        let kind: String
    }
    private var entries: Set<Entry> = []
    private static let most = 1024

    private static func entry(_ pid: Int32, _ kind: TaskProviderKind) -> Entry? {
        var status = stat()
        guard kind.isRuntime, stat("/proc/\(pid)/exe", &status) == 0 else { return nil }
        return Entry(device: UInt(status.st_dev), file: UInt(status.st_ino), kind: kind.name)
    }

    func contains(_ pid: Int32, _ kind: TaskProviderKind) -> Bool {
        Self.entry(pid, kind).map(entries.contains) ?? false
    }

    /// A process that has ended meanwhile says nothing of its program.
    mutating func add(_ pid: Int32, _ kind: TaskProviderKind) {
        guard let entry = Self.entry(pid, kind) else { return }
        if entries.count >= Self.most { entries = [] }
        entries.insert(entry)
    }
}
