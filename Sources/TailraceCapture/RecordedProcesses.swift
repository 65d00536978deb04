// SPDX-License-Identifier: MIT
import TailraceModel

/// What /proc said of servers, in fields: each list begins with a pid.
enum RecordedProcesses {
    private enum Tag: UInt16 {
        case pid = 1
        case started, comm, executable, cgroup, container, podUID, containerName, pod, namespace
    }

    static func add(_ server: Server, to fields: inout FieldWriter) {
        fields.add(Tag.pid.rawValue, Int64(server.pid))
        fields.add(Tag.started.rawValue, server.started)
        fields.add(Tag.comm.rawValue, server.comm)
        fields.add(Tag.executable.rawValue, server.executable)
        fields.add(Tag.cgroup.rawValue, server.cgroup)
        guard let container = server.container else { return }
        fields.add(Tag.container.rawValue, container.id)
        fields.add(Tag.podUID.rawValue, container.podUID)
        fields.add(Tag.containerName.rawValue, container.name)
        fields.add(Tag.pod.rawValue, container.pod)
        fields.add(Tag.namespace.rawValue, container.namespace)
    }

    /// Calls `take` for each process; false: the list is not whole, and nothing was taken.
    static func read(_ bytes: UnsafeRawBufferPointer, _ take: (Server) -> Void) -> Bool {
        guard readFields(bytes, { _ in }) else { return false }
        var entry: Entry?
        let isWhole = readFields(bytes) { field in
            switch Tag(rawValue: field.tag) {
            case .pid:
                if let entry { take(entry.server) }
                entry = Entry(pid: Int32(truncatingIfNeeded: field.number ?? 0))
            case .started: entry?.started = field.signed ?? 0
            case .comm: entry?.comm = field.text
            case .executable: entry?.executable = field.text
            case .cgroup: entry?.cgroup = field.text
            case .container: entry?.container.id = field.text
            case .podUID: entry?.container.podUID = field.text
            case .containerName: entry?.container.name = field.text
            case .pod: entry?.container.pod = field.text
            case .namespace: entry?.container.namespace = field.text
            case nil: break
            }
        }
        if let entry { take(entry.server) }
        return isWhole
    }

    private struct Entry {
        let pid: Int32
        var started: Nanoseconds = 0
        var comm = ""
        var executable: String?
        var cgroup: String?
        var container = Container()

        init(pid: Int32) { self.pid = pid }

        var server: Server {
            Server(
                pid: pid, started: started, comm: comm, executable: executable, cgroup: cgroup,
                container: container == Container() ? nil : container)
        }
    }
}
