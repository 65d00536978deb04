// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Names of processes from /proc, asked once for each process: a process is its id together with its start.
struct ProcessLookup {
    private struct Key: Hashable {
        let pid: Int32
        let started: Nanoseconds
        let comm: String
    }
    private var known: [Key: Server] = [:]
    /// More processes than this are asked for again: memory stays bounded.
    private let capacity = 4096

    /// The process as it is shown. `comm` comes from the kernel at the time of the event.
    mutating func server(pid: Int32, started: Nanoseconds, comm: String, cgroup: UInt64) -> Server {
        let key = Key(pid: pid, started: started, comm: comm)
        if let server = known[key] { return server }
        if known.count >= capacity { known.removeAll(keepingCapacity: true) }
        let server = Server(
            pid: pid, started: started, comm: comm, executable: readLink("/proc/\(pid)/exe"),
            cgroup: cgroupPath(of: pid) ?? "<\(cgroup)>")
        known[key] = server
        return server
    }

    /// The path behind `0::` in /proc/PID/cgroup: cgroup v2, also in hybrid mode.
    private func cgroupPath(of pid: Int32) -> String? {
        guard let text = readFile("/proc/\(pid)/cgroup") else { return nil }
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
