// SPDX-License-Identifier: MIT
import CProbes
import Glibc

/// What is traced. Empty: every connection that a listener accepts.
public struct Target: Sendable, Equatable {
    /// Local ports.
    public var ports: [UInt16] = []
    /// Process ids in the initial namespace.
    public var pids: [Int32] = []
    /// Names as the kernel holds them, at most 15 bytes.
    public var comms: [String] = []
    /// Paths of cgroup v2, absolute or below its mount point.
    public var cgroups: [String] = []

    /// Everything.
    public init() {}

    /// The most entries of one kind.
    public static let limit = Int(EV_FILTERS)

    /// Nothing that there is.
    public static let nothing: Target = {
        var target = Target()
        target.ports = [0]
        return target
    }()

    /// The kernel's numbers of its cgroups: one that is made anew has another.
    public var cgroupNumbers: [UInt64?] { cgroups.map { cgroupIdentity($0)?.id } }

    /// One phrase for people.
    public var description: String {
        var parts = ports.map { "port \($0)" } + pids.map { "pid \($0)" } + comms.map { "comm \($0)" }
        parts += cgroups.map { "cgroup \($0)" }
        return parts.isEmpty ? "every accepted connection" : parts.joined(separator: ", ")
    }

    /// Refuses what cannot be traced: processes and cgroups that do not exist, and more than `limit` of a kind.
    public func check() throws(CaptureError) {
        for pid in pids where kill(pid, 0) != 0 && errno == ESRCH {
            throw CaptureError(.failed, "there is no process \(pid); `pgrep -l NAME` finds the pid of a running server")
        }
        for (count, what) in [
            (ports.count, "ports"), (pids.count, "processes"), (comms.count, "names"), (cgroups.count, "cgroups"),
        ] where count > Self.limit {
            throw CaptureError(
                .failed, "\(count) \(what) are more than can be traced at once; give at most \(Self.limit)")
        }
        for path in cgroups where cgroupIdentity(path) == nil {
            throw CaptureError(
                .failed, "there is no cgroup \(path) under the cgroup v2 mount; give its path below /sys/fs/cgroup")
        }
    }

    /// The wanted ports that no socket listens on, in any network namespace that has a process.
    public func portsWithoutListener() -> [UInt16] {
        guard !ports.isEmpty else { return [] }
        var missing = Set(ports)
        var seen: Set<UInt> = []
        for name in listDirectory("/proc") where name.first?.isNumber == true {
            // One table for each namespace; who may not trace a process may see it too, other than its ns/net.
            var file = stat()
            guard stat("/proc/\(name)/net/tcp", &file) == 0, seen.insert(UInt(file.st_ino)).inserted else { continue }
            for table in ["tcp", "tcp6"] {
                missing.subtract(listeners(in: readFile("/proc/\(name)/net/\(table)") ?? ""))
            }
            if missing.isEmpty { break }
        }
        return ports.filter(missing.contains)
    }

    /// Ports of the lines in state 0A (LISTEN) of /proc/net/tcp.
    private func listeners(in table: String) -> Set<UInt16> {
        var ports: Set<UInt16> = []
        for line in table.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: true)
            guard fields.count > 3, fields[3] == "0A", let port = fields[1].split(separator: ":").last else { continue }
            if let number = UInt16(port, radix: 16) { ports.insert(number) }
        }
        return ports
    }

    /// As the kernel side reads it.
    var filters: ev_target {
        var filters = ev_target()
        filters.port_count = UInt32(ports.count)
        filters.pid_count = UInt32(pids.count)
        filters.comm_count = UInt32(comms.count)
        filters.cgroup_count = UInt32(cgroups.count)
        withUnsafeMutableBytes(of: &filters.ports) { $0.copyBytes(from: bytes(of: ports)) }
        withUnsafeMutableBytes(of: &filters.pids) { $0.copyBytes(from: bytes(of: pids)) }
        withUnsafeMutableBytes(of: &filters.comms) { bytes in
            for (index, comm) in comms.enumerated() {
                for (offset, byte) in comm.utf8.prefix(15).enumerated() { bytes[index * 16 + offset] = byte }
            }
        }
        let identities = cgroups.compactMap(cgroupIdentity)
        withUnsafeMutableBytes(of: &filters.cgroups) { $0.copyBytes(from: bytes(of: identities.map(\.id))) }
        withUnsafeMutableBytes(of: &filters.cgroup_levels) { $0.copyBytes(from: bytes(of: identities.map(\.level))) }
        return filters
    }

    private func bytes(of numbers: [some FixedWidthInteger]) -> [UInt8] {
        numbers.flatMap { number in withUnsafeBytes(of: number) { Array($0) } }
    }
}

/// Inode number (the kernel's id) and depth of a cgroup v2; nil: there is none at `path`.
private func cgroupIdentity(_ path: String) -> (id: UInt64, level: UInt32)? {
    for root in ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"] where access(root + "/cgroup.procs", F_OK) == 0 {
        let relative = path.hasPrefix(root) ? String(path.dropFirst(root.count)) : path
        let parts = relative.split(separator: "/")
        var status = stat()
        guard stat(root + "/" + parts.joined(separator: "/"), &status) == 0 else { continue }
        return (UInt64(status.st_ino), UInt32(parts.count))
    }
    return nil
}
