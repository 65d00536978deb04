// SPDX-License-Identifier: MIT
import ArgumentParser
import TailraceCapture

/// `--socket`, the same for every command that traces.
struct DaemonOption: ParsableArguments {
    @Option(
        name: .customLong("socket"),
        help: ArgumentHelp(
            "Ask the daemon on this socket instead of tracing. Where this user may not trace, the one at \(DaemonClient.standardSocket) is asked.",
            valueName: "path"))
    var path: String?

    /// Whom to ask; nil: nobody, we trace ourselves.
    var client: DaemonClient? {
        if let path { return DaemonClient(path: path) }
        let standard = DaemonClient(path: DaemonClient.standardSocket)
        return standard.isThere && !KernelFacts.probe().mayLoad ? standard : nil
    }
}

extension TargetOptions {
    /// A run of our own, or the daemon's where this user may not have one.
    ///
    /// - Throws: `ExitFailure` where something was asked for that only a run of our own can do.
    func liveRun(tellsFlushes: Bool, timesFunctions: Bool = false) throws -> any LiveRun {
        guard let client = daemon.client else {
            return try TracingRun(
                target: target, backend: choice.backend, timesFunctions: timesFunctions, ringBytes: ringBytes,
                maxConnections: maxConnections, tellsFlushes: tellsFlushes)
        }
        let own = [
            ("--backend", choice.backend != nil), ("--ring", ring != nil), ("--task-probe", !probe.pairs.isEmpty),
            ("--functions", timesFunctions),
        ].filter(\.1).map(\.0)
        guard own.isEmpty else {
            throw ExitFailure(
                code: daemon.path == nil ? 77 : 64,
                description: "\(own.joined(separator: ", ")) is for a run of our own, and the daemon traces: "
                    + "run as root without --socket, or set it in the daemon's settings")
        }
        return try DaemonRun(client, target: target, tellsFlushes: tellsFlushes)
    }
}
