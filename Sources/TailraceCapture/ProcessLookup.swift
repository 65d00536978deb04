// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Names of processes, asked once for each process: a process is its id together with its start. From /proc, or from a
/// recording: what a pid means on this machine says nothing of another one.
struct ProcessLookup {
    private struct Key: Hashable {
        let pid: Int32
        let started: Nanoseconds
        let comm: String
    }
    private var known: [Key: Server] = [:]
    /// Of a recording: those that `known` had before it was full.
    private var earlier: [Key: Server] = [:]
    private let isRecorded: Bool
    private var names = ContainerNames()
    /// More processes than this are asked for again: memory stays bounded.
    private let capacity = 4096
    /// Told of each process that was looked up.
    var found: ((Server) -> Void)?

    /// `isRecorded`: only what `add` brought is known.
    init(isRecorded: Bool = false) { self.isRecorded = isRecorded }

    /// The process as it is shown. `comm` comes from the kernel at the time of the event.
    mutating func server(pid: Int32, started: Nanoseconds, comm: String, cgroup: UInt64) -> Server {
        let key = Key(pid: pid, started: started, comm: comm)
        if let server = known[key] ?? earlier[key] { return server }
        let cgroups = isRecorded ? nil : readFile("/proc/\(pid)/cgroup")
        let server = Server(
            pid: pid, started: started, comm: comm, executable: isRecorded ? nil : readLink("/proc/\(pid)/exe"),
            cgroup: cgroups.flatMap(Self.unifiedPath) ?? "<\(cgroup)>",
            container: cgroups.flatMap { Container(cgroups: $0) }.map { names.named($0) })
        keep(server, as: key)
        found?(server)
        return server
    }

    /// A process that was looked up when its recording was made.
    mutating func add(_ server: Server) {
        keep(server, as: Key(pid: server.pid, started: server.started, comm: server.comm))
    }

    private mutating func keep(_ server: Server, as key: Key) {
        if known.count >= capacity {
            // A recorder forgot them too, and tells them again; but its records may still name those of before.
            if isRecorded { earlier = known }
            known.removeAll(keepingCapacity: true)
        }
        known[key] = server
    }

    /// The path behind `0::` in /proc/PID/cgroup: cgroup v2, also in hybrid mode.
    private static func unifiedPath(in text: String) -> String? {
        for line in text.split(separator: "\n") where line.hasPrefix("0::") { return String(line.dropFirst(3)) }
        return nil
    }
}

/// A whole small file, as /proc has them; nil where it cannot be read. At most 1 MiB.
func readFile(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16384)
    while content.count < 1 << 20 {
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { break }
        content.append(contentsOf: buffer[..<count])
    }
    return String(decoding: content, as: UTF8.self)
}

/// Where a symbolic link points.
func readLink(_ path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink(path, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
}

/// Names in a directory; empty where it cannot be read.
func listDirectory(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        names.append(
            withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            })
    }
    return names
}
