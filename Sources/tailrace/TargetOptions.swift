// SPDX-License-Identifier: MIT
import ArgumentParser
import TailraceCapture

/// TARGET, the same for every command that traces.
struct TargetOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Trace the server process with this pid. Repeatable.", valueName: "n"))
    var pid: [Int32] = []

    @Option(help: ArgumentHelp("Trace connections accepted on this local port. Repeatable.", valueName: "n"))
    var port: [UInt16] = []

    @Option(help: ArgumentHelp("Trace processes whose name in the kernel is this one. Repeatable.", valueName: "name"))
    var comm: [String] = []

    @Option(help: ArgumentHelp("Trace processes in this cgroup (v2) and below. Repeatable.", valueName: "path"))
    var cgroup: [String] = []

    @Option(help: ArgumentHelp("Create this file once all probes are attached.", valueName: "path"))
    var readyFile: String?

    @Option(
        help: ArgumentHelp(
            "Size of the ring between kernel and tailrace, a power of two (16MiB). More survives longer stalls.",
            valueName: "size"))
    var ring: ByteCount?

    @Option(
        help: ArgumentHelp("Connections that are followed at once (65536); those beyond are counted.", valueName: "n"))
    var maxConnections: UInt32 = 1 << 16

    @OptionGroup var choice: BackendOption

    @OptionGroup var probe: TaskProbeOption

    @OptionGroup var daemon: DaemonOption

    func validate() throws {
        if let bytes = ring?.bytes, !(4096...1 << 30).contains(bytes) || bytes & (bytes - 1) != 0 {
            throw ValidationError("--ring takes a power of two from 4KiB to 1GiB; \(bytes) bytes is none.")
        }
        for (name, count) in [("pid", pid.count), ("port", port.count), ("comm", comm.count), ("cgroup", cgroup.count)]
        where count > Target.limit {
            throw ValidationError("At most \(Target.limit) of --\(name) can be given; \(count) were.")
        }
        if port.contains(0) { throw ValidationError("Port 0 is no port that a server listens on.") }
        if comm.contains("") { throw ValidationError("--comm takes a process's name, and \"\" is none.") }
        if maxConnections == 0 { throw ValidationError("--max-connections takes a number from 1; 0 follows nothing.") }
        if let bad = pid.first(where: { $0 <= 0 }) { throw ValidationError("\(bad) is no process id.") }
    }

    /// Bytes.
    var ringBytes: UInt32 { ring.map { UInt32($0.bytes) } ?? KernelSource.defaultRingBytes }

    var target: Target {
        var target = Target()
        target.ports = port
        target.pids = pid
        target.comms = comm
        target.cgroups = cgroup
        return target
    }
}
