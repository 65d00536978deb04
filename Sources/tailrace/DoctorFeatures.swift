// SPDX-License-Identifier: MIT
import Glibc
import TailraceCapture
import TailraceOutput
import TailraceTasks

/// What works with the rights that this user has, what is off, and what turns it on. What can be tried without harm is tried.
enum DoctorFeatures {
    /// `isTracing`: the probes were loaded and attached a moment ago; `missing`: capabilities that loading them lacks.
    static func all(isTracing: Bool, missing: [String]) -> [DoctorReport.Feature] {
        let trace = DoctorReport.Feature(
            id: "trace", name: "trace responses", works: isTracing, needs: missing,
            otherwise: missing.isEmpty ? "see below" : nil)
        return [trace] + ofOthers(TaskRights.tried()) + [taskProbe(isTracing), processes(), daemon()]
    }

    /// What is looked at in the processes of other users. nil: there are none here.
    private static func ofOthers(_ rights: TaskRights?) -> [DoctorReport.Feature] {
        let look = Capability.sysPtrace
        let open = Capability.dacReadSearch
        func feature(
            _ id: String, _ name: String, _ works: KeyPath<TaskRights, Bool>, _ needed: [Capability],
            _ otherwise: String
        ) -> DoctorReport.Feature {
            let lacking = needed.filter { !$0.isThere }.map(\.name)
            let isTried = rights != nil
            return DoctorReport.Feature(
                id: id, name: name, works: rights?[keyPath: works] ?? lacking.isEmpty, needs: lacking,
                otherwise: otherwise + (isTried ? "" : " (by the capabilities: there is no process to try it on)"))
        }
        let threads =
            rights?.confinesReaders == false
            ? "their threads are counted: the process that reads executables cannot be confined here (seccomp)"
            : "their threads are counted"
        return [
            feature(
                "goroutines", "goroutines of other users' servers", \.countsGoroutines, [look],
                threads),
            feature(
                "swift_tasks", "Swift tasks of other users' servers", \.countsSwiftTasks, [look, open], threads),
            feature(
                "executables", "which program a process runs, what its threads wait for", \.readsProgram, [look], "null"
            ),
            feature(
                "held_connections", "connections that a process holds (tasks)", \.listsDescriptors, [look, open], "null"
            ),
        ]
    }

    /// Attaching one puts a breakpoint somewhere, so it is not tried; whether it may be, is.
    private static func taskProbe(_ isTracing: Bool) -> DoctorReport.Feature {
        let needed: [Capability] = [.bpf, .sysPtrace] + (PairedCalls.isAllowed ? [] : [.sysAdmin])
        let lacking = needed.filter { !$0.isThere }.map(\.name)
        return DoctorReport.Feature(
            id: "task_probe", name: "--task-probe in other users' servers", works: isTracing && lacking.isEmpty,
            needs: lacking, otherwise: lacking.isEmpty ? "nothing can be traced" : "refused with a sentence")
    }

    /// A process file system may hide other users' processes.
    private static func processes() -> DoctorReport.Feature {
        DoctorReport.Feature(
            id: "processes", name: "other users' processes in /proc", works: access("/proc/1/stat", R_OK) == 0,
            needs: [],
            otherwise: "/proc is mounted with hidepid: give the group of its option gid to this user")
    }

    private static func daemon() -> DoctorReport.Feature {
        let client = DaemonClient(path: DaemonClient.standardSocket)
        let name = "ask the daemon at \(DaemonClient.standardSocket)"
        do {
            _ = try client.get("/v1/health")
            return DoctorReport.Feature(id: "daemon", name: name, works: true, needs: [], otherwise: nil)
        } catch {
            let isThere = client.isThere
            return DoctorReport.Feature(
                id: "daemon", name: name, works: isThere ? false : nil, needs: [],
                otherwise: isThere ? "\(error)" : "none runs here")
        }
    }
}
