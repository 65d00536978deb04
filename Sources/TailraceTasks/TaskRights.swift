// SPDX-License-Identifier: MIT
import Glibc

/// What this user may look at in other users' processes: found by trying it on some of them, and only looking.
public struct TaskRights: Sendable {
    /// Their memory: goroutines.
    public private(set) var readsMemory = false
    /// Which of their pages are there: Swift tasks are looked for in those only.
    public private(set) var readsPages = false
    /// Which program they run, and what their threads wait for.
    public private(set) var readsProgram = false
    /// What they hold open.
    public private(set) var listsDescriptors = false

    /// Executables are read by a process without rights; false: it cannot be confined here, and so reads nothing.
    public private(set) var confinesReaders = false
    /// Goroutines: their memory, and what the executable says of it.
    public var countsGoroutines: Bool { readsMemory && confinesReaders }
    /// The same of Swift tasks.
    public var countsSwiftTasks: Bool { readsPages && confinesReaders }

    /// A single one may be closed to everybody.
    private static let mostTried = 8

    /// nil: there is no process to try it on.
    public static func tried() -> TaskRights? {
        let processes = processes()
        guard !processes.isEmpty else { return nil }
        var rights = TaskRights()
        rights.confinesReaders = (try? ImageReader(path: "/proc/self/exe", subject: "this program")) != nil
        return processes.reduce(into: rights) { $0.add($1) }
    }

    private mutating func add(_ pid: Int32) {
        readsMemory = readsMemory || (try? ProcessMemory(pid: pid)) != nil
        readsPages = readsPages || Self.opens("/proc/\(pid)/pagemap", O_RDONLY)
        readsProgram = readsProgram || ProcessFiles.link("/proc/\(pid)/exe") != nil
        listsDescriptors = listsDescriptors || Self.opens("/proc/\(pid)/fd", O_RDONLY | O_DIRECTORY)
    }

    /// Somebody else's, the newest first; to root nobody is somebody else. A thread of the kernel has no program.
    private static func processes() -> [Int32] {
        let user = geteuid()
        let others = (ProcessFiles.names(in: "/proc", most: 1 << 16) ?? []).compactMap { Int32($0) }.reversed().lazy
            .filter {
                var status = stat()
                return $0 != getpid() && stat("/proc/\($0)", &status) == 0 && (user == 0 || status.st_uid != user)
                    && ProcessFiles.content(of: "/proc/\($0)/cmdline")?.isEmpty == false
            }
        return Array(others.prefix(mostTried))
    }

    private static func opens(_ path: String, _ flags: Int32) -> Bool {
        let descriptor = open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        close(descriptor)
        return true
    }
}
