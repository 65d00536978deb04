// SPDX-License-Identifier: MIT
import CLibbpf
import CProbes
import Glibc

/// Which task of its server serves a connection, read in the server's own context. Programs of its own: where the kernel
/// refuses them, nothing else is lost.
///
/// `look` and `forget` are for one thread; the rest is set once, and what changes is in the kernel, reached by descriptors.
public final class ServingTasks: @unchecked Sendable {
    private let object: ProbeObject
    private let layouts: Int32
    private let tasks: Int32

    /// Loads; it is attached when the first process is looked at: what does not look at any process costs the host nothing.
    ///
    /// - Throws: `CaptureError`, one sentence.
    public init() throws(CaptureError) {
        object = try ProbeObject(tailrace_task_object, "tasks", words: "the task probes")
        layouts = object.map("task_layouts")
        tasks = object.map("serving_tasks")
    }

    /// From now on that Go process is looked at. `idOffset`: where its runtime keeps a goroutine's id, bytes.
    public func look(atGoProcess pid: Int32, idOffset: Int) {
        var key = UInt32(bitPattern: pid)
        // The thread's pointer ends the block that the running goroutine is kept in.
        var layout = ev_task_layout(id_offset: UInt32(clamping: idOffset), slot_offset: 8)
        bpf_map_update_elem(layouts, &key, &layout, 0)
        object.attachAll()
    }

    /// No more: it has ended, and its id may be used again.
    public func forget(process pid: Int32) {
        var key = UInt32(bitPattern: pid)
        bpf_map_delete_elem(layouts, &key)
    }

    /// The goroutines of that process that serve a connection, or have, as far as that is remembered: 65,536 connections.
    public func all(of pid: Int32) -> Set<UInt64> {
        var found: Set<UInt64> = []
        var key: UInt64 = 0
        var next: UInt64 = 0
        var task = ev_serving_task()
        var isFirst = true
        // Connections come and go meanwhile: as many steps as there is room for end the walk.
        for _ in 0..<EV_TASK_CONNECTIONS {
            let result = isFirst ? bpf_map_get_next_key(tasks, nil, &next) : bpf_map_get_next_key(tasks, &key, &next)
            guard result == 0 else { break }
            (key, isFirst) = (next, false)
            if bpf_map_lookup_elem(tasks, &key, &task) == 0, task.pid == UInt32(bitPattern: pid) {
                found.insert(task.id)
            }
        }
        return found
    }

    /// Where it is kept who serves: for a process that may only look there.
    public var descriptor: Int32 { tasks }
}

/// Who serves which connection, as `ServingTasks` of another process keeps it. To look needs no capability.
public final class ServingTable {
    private let descriptor: Int32

    /// Takes over the descriptor.
    public init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// The goroutine of `pid` that serves the connection with this cookie; nil: it was not seen.
    public func task(of connection: UInt64, pid: Int32) -> UInt64? {
        var key = connection
        var task = ev_serving_task()
        guard bpf_map_lookup_elem(descriptor, &key, &task) == 0, task.pid == UInt32(bitPattern: pid) else { return nil }
        return task.id
    }
}
