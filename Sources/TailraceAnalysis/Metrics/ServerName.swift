// SPDX-License-Identifier: MIT
import TailraceModel

/// What series of a server are told apart by: never a path, a process id or a peer.
struct ServerName: Hashable {
    let comm: String
    /// What its container is called, of a pod `NAMESPACE/POD/CONTAINER`; else the last name in the path of its cgroup; empty:
    /// none is known.
    let cgroup: String
    /// That it listens on; 0: all of a program's.
    let port: UInt16

    /// Those that have no name of their own.
    static let other = ServerName(comm: "other", cgroup: "other", port: 0)

    private init(comm: String, cgroup: String, port: UInt16) {
        self.comm = comm
        self.cgroup = cgroup
        self.port = port
    }

    init(_ server: Server?, port: UInt16) {
        comm = Self.shown(server?.comm ?? "unknown")
        let path = server?.cgroup.map(Self.cgroupName) ?? ""
        // Of a host with cgroup v1, that may be all.
        let own = path.isEmpty ? server?.container?.id.map { String($0.prefix(12)) } ?? "" : path
        cgroup = Self.shown(server?.container?.label ?? own, longest: Self.longestCgroup)
        self.port = port
    }

    /// As it is exported: two texts that are shown alike are one name, because a series that is told twice spoils all others.
    private static func shown(_ text: String, longest: Int = Self.longest) -> String {
        let visible = Sanitizer.visible(text, longest: longest)
        guard visible.utf8.count > longest else { return visible }
        return String(String.UnicodeScalarView(visible.unicodeScalars.prefix(longest)))
    }

    /// In characters.
    private static let longest = 64
    /// Names of Kubernetes are long.
    private static let longestCgroup = 160

    /// `/system.slice/nginx.service`: `nginx.service`; `.../cri-containerd-<64 digits>.scope`: `cri-containerd-<12 digits>`.
    private static func cgroupName(_ path: String) -> String {
        var name = path.split(separator: "/").last ?? ""
        if name.hasSuffix(".scope") { name = name.dropLast(6) }
        let digits = name.reversed().prefix { $0.isHexDigit }.count
        return String(digits == 64 ? name.dropLast(64 - 12) : name)
    }

    /// Those of a program have no port.
    var labels: [MetricLabel] {
        let program = [MetricLabel(.comm, comm), MetricLabel(.cgroup, cgroup)]
        return program
    }

    /// With the port, for series of a server.
    var serverLabels: [MetricLabel] { labels + [MetricLabel(.port, port == 0 ? "" : String(port))] }
}

/// Where the newest servers have their series: most of what is told is of one of a few.
struct ServerPlaces {
    private struct Entry {
        var server: Server?
        var port: UInt16 = 0
        var place: Int32 = -1
    }
    private static let entries = 256
    private var entries = ContiguousArray(repeating: Entry(), count: ServerPlaces.entries)

    @inline(__always)
    private static func slot(_ server: Server?, _ port: UInt16) -> Int {
        let address = server.map { UInt(bitPattern: ObjectIdentifier($0).hashValue) } ?? 0
        return Int(truncatingIfNeeded: (address >> 4) ^ (address >> 12) ^ UInt(port)) & (entries - 1)
    }

    /// nil: not known, or forgotten.
    @inline(__always)
    subscript(server: Server?, port: UInt16) -> Int? {
        let slot = Self.slot(server, port)
        guard entries[slot].place >= 0, entries[slot].port == port, entries[slot].server === server else { return nil }
        return Int(entries[slot].place)
    }

    mutating func keep(_ place: Int, of server: Server?, _ port: UInt16) {
        entries[Self.slot(server, port)] = Entry(server: server, port: port, place: Int32(truncatingIfNeeded: place))
    }

    mutating func forgetAll() { for slot in entries.indices { entries[slot] = Entry() } }
}
