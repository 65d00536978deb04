// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Where the two functions of a task probe are in one process: found, and found to be good, before anything is hooked.
public struct ProbeSites {
    /// A file as this process sees it, and a byte of it.
    public struct Site: Sendable {
        /// Also inside of a container.
        public let path: String
        /// From the file's begin, bytes.
        public let offset: UInt64
    }
    /// Where tasks open.
    public let open: Site
    /// Where they close.
    public let close: Site
    private let memory: ProcessMemory
    /// Address of something that is there as long as the process runs this program.
    private let witness: UInt64

    /// Hooks nothing. `allowsSlow`: also instructions that are executed in single steps.
    ///
    /// - Throws: why the tasks of that process cannot be counted so.
    public init(_ probe: TaskProbe, pid: Int32, allowsSlow: Bool) throws(TaskError) {
        let mapped = ProcessFiles.mappedFiles(of: pid)
        guard let first = mapped.first else {
            guard ProcessFiles.link("/proc/\(pid)/exe") != nil || errno != EACCES && errno != EPERM else {
                throw .step("look into process \(pid)", errno: errno)
            }
            throw TaskError(.failed, "there is no process \(pid), or it has no program")
        }
        memory = try ProcessMemory(pid: pid)
        witness = first.address
        open = try Self.site(probe.open, pid, mapped, allowsSlow)
        close = try Self.site(probe.close, pid, mapped, allowsSlow)
        guard open.path != close.path || open.offset != close.offset else {
            throw TaskError(.failed, "tasks cannot open and close at the same place: \(probe.open) and \(probe.close)")
        }
    }

    /// Whether the process still runs the program that was looked at.
    public var isThere: Bool { memory.integer(UInt8.self, at: witness) != nil }

    private static func site(
        _ place: TaskProbe.Place, _ pid: Int32, _ mapped: [(path: String, address: UInt64)], _ allowsSlow: Bool
    ) throws(TaskError) -> Site {
        let image = try ProbedImage(place.image, pid, mapped)
        let reader = try ImageReader(path: image.path, subject: image.name)
        let function = place.fileOffset.map { "@" + String($0, radix: 16) } ?? place.symbol
        let site: CodeSite
        switch try reader.site(of: function, plus: place.offset) {
        case .site(let found): site = found
        case .functions(let count):
            throw cannot(place, "\(count) functions of \(image.name) have this name; give one as 0xOFFSET in the file")
        case .absent(0, _):
            throw cannot(
                place,
                "\(image.name) is stripped and names no function; give 0xOFFSET in the file, or a build with symbols")
        case .absent(let count, let alike):
            let hint =
                alike.isEmpty
                ? "`nm \(image.name)` lists them; one that was inlined is not there"
                : "named alike: " + alike.map(Self.shown).joined(separator: ", ")
            throw cannot(place, "none of the \(count) functions of \(image.name) has this name; \(hint)")
        }
        try check(site, place, allowsSlow)
        return Site(path: image.path, offset: site.fileOffset)
    }

    private static func check(_ site: CodeSite, _ place: TaskProbe.Place, _ allowsSlow: Bool) throws(TaskError) {
        // A place in the file has no function's begin to count from.
        let offered = site.better.map { better in
            place.fileOffset == nil
                ? place.named(better)
                : "\(place.image):0x" + String(site.fileOffset &- site.offset &+ better, radix: 16)
        }
        switch site.verdict {
        case .emulated: return
        case .stepped where allowsSlow: return
        case .stepped:
            let advice =
                offered.map { "give \($0), or --allow-slow-probe" }
                ?? "name another function, or give --allow-slow-probe"
            throw cannot(
                place, "the instruction there would be executed in single steps, 10 us a call instead of 1; \(advice)")
        case .refused:
            throw cannot(
                place,
                "the kernel hooks no instruction that begins with LOCK or a segment; "
                    + (offered.map { "give \($0)" } ?? "name another function"))
        case .inside:
            throw cannot(
                place,
                "that is the middle of an instruction, and a probe there would break the program; "
                    + (offered.map { "give \($0)" } ?? "give the begin of one"))
        case .unknown:
            throw cannot(
                place,
                "where its instructions begin cannot be told; "
                    + (offered.map { "give \($0)" } ?? "name another function"))
        }
    }

    private static func cannot(_ place: TaskProbe.Place, _ why: String) -> TaskError {
        TaskError(.failed, "cannot count tasks at \(place): \(why)")
    }

    private static func shown(_ name: String) -> String { String(name.prefix(80)) }
}

/// A file that a process has mapped, by the name that its user gave.
struct ProbedImage {
    /// As this process can open it.
    let path: String
    /// As the process that maps it does.
    let name: String

    init(_ wanted: String, _ pid: Int32, _ mapped: [(path: String, address: UInt64)]) throws(TaskError) {
        guard wanted != "exe" else {
            path = "/proc/\(pid)/exe"
            name = ProcessFiles.link(path) ?? "the executable of process \(pid)"
            return
        }
        let files = mapped.map(\.path).filter { $0.hasPrefix("/") }
        let found =
            wanted.contains("/")
            ? Self.file(wanted, pid, files) : Array(Set(files.filter { Self.isCalled(wanted, $0) }))
        guard let file = found.first, found.count == 1 else {
            let reason =
                found.isEmpty
                ? "process \(pid) has not loaded it" : "process \(pid) has \(found.count) of that name; give a path"
            throw TaskError(
                .failed,
                "cannot count tasks in \(wanted): \(reason) (`exe` is its executable; /proc/\(pid)/maps lists the others)"
            )
        }
        name = file
        path = file == ProcessFiles.link("/proc/\(pid)/exe") ? "/proc/\(pid)/exe" : "/proc/\(pid)/root" + file
    }

    /// By path, or by another path to the same file.
    private static func file(_ path: String, _ pid: Int32, _ files: [String]) -> [String] {
        if files.contains(path) { return [path] }
        guard let wanted = identity("/proc/\(pid)/root" + path) ?? identity(path) else { return [] }
        return Array(Set(files.filter { identity("/proc/\(pid)/root" + $0).map { $0 == wanted } ?? false }))
    }

    private static func identity(_ path: String) -> [UInt64]? {
        var status = stat()
        return stat(path, &status) == 0 ? [UInt64(status.st_dev), UInt64(status.st_ino)] : nil
    }

    /// `libfoo` is libfoo.so, libfoo.so.1 and libfoo-1.2.so; names may be whole, too.
    private static func isCalled(_ name: String, _ path: String) -> Bool {
        guard let last = path.split(separator: "/").last else { return false }
        return last == name || last.hasPrefix(name + ".") || last.hasPrefix(name + "-")
    }
}
