// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// The daemon's run, read along over its socket: needs no privilege, and tells what a run of our own would that began now.
final class DaemonRun: LiveRun {
    var pause: ((Nanoseconds) -> Bool)?
    private let source: StreamSource
    private let target: Target
    private let client: DaemonClient
    /// What the daemon traces; nil: it did not say.
    private let daemonTarget: TracedTarget?
    private var correlator: Correlator
    /// What came is looked at that often, ns; the daemon sends five times a second.
    private static let drainInterval: Nanoseconds = 50_000_000

    /// Asks for what belongs to `target`.
    init(_ client: DaemonClient, target: Target, tellsFlushes: Bool) throws {
        self.client = client
        self.target = target
        daemonTarget = ServiceJSON.target(inHealth: try client.get("/v1/health"))
        let reply = try client.stream("/v1/recording" + target.query)
        source = try StreamSource(
            descriptor: reply.descriptor, initial: reply.body, isChunked: true, name: "the stream of \(client.path)")
        correlator = Correlator(tellsFlushes: tellsFlushes)
        StopSignals.block()
        if let daemonTarget, !daemonTarget.covers(TracedTarget(target)) {
            complain(
                "the daemon traces \(Target(daemonTarget).description) only, and of \(target.description) it tells no more: "
                    + "change its settings and reload it, or run as root without --socket")
        }
    }

    deinit { close(source.descriptor) }

    var tap: (any RecordTap)? {
        get { source.tap }
        set { source.tap = newValue }
    }

    var recordingDescription: RecordingDescription {
        var description = source.description
        description.target = target
        description.anchor = anchor
        return description
    }

    var description: RunDescription {
        let told = source.description
        var description = RunDescription(
            version: told.version, host: told.host, kernel: told.kernel, backend: told.backend, target: target,
            anchor: anchor)
        description.daemonTarget = daemonTarget
        return description
    }

    var anchor: ClockAnchor { source.anchor }
    /// It is the clock of this machine, too.
    var now: Nanoseconds { readClock(CLOCK_MONOTONIC) }
    var unattributed: UInt64 { correlator.unattributed }
    var connections: Int { correlator.connections }
    var recording: RecordingAccount? { nil }

    func loss() -> Loss { source.loss() }
    func openResponses() -> [Response] { correlator.open(at: now) }
    /// The daemon does.
    func readTasks(of options: TargetOptions) {}
    func functionTimes() -> [FunctionTime] { [] }

    func run(
        tell: @escaping (borrowing Actions) -> Void, afterDrain: () throws -> Void, isDone: () -> Bool
    ) throws {
        try run(
            handle: { [self] in correlator.take($0, tell) }, afterDrain: afterDrain, mayEnd: { true }, isDone: isDone)
        correlator.finish(tell)
        try afterDrain()
    }

    /// Nothing more comes: the daemon has ended.
    var isAtEnd: Bool { source.isAtEnd }

    /// Takes what came, without waiting.
    func drain(_ handle: @escaping (KernelEvent) -> Void) throws(CaptureError) {
        try source.drain { [source] event in
            if case .taskTold(let told) = event { source.tap?.take(told) }
            handle(event)
        }
    }

    func run(
        handle: @escaping (KernelEvent) -> Void, afterDrain: () throws -> Void, mayEnd: () -> Bool, isDone: () -> Bool
    ) throws {
        while !isDone() {
            if let pause {
                if pause(Self.drainInterval) { break }
            } else if StopSignals.wait(Self.drainInterval), mayEnd() {
                break
            }
            try drain(handle)
            try afterDrain()
            if source.isAtEnd {
                complain("the daemon at \(Sanitizer.visible(client.path)) tells no more; what it told so far follows")
                break
            }
        }
        StopSignals.unblock()
        try drainRest(handle)
        try afterDrain()
    }

    /// What happened up to now is told a moment later.
    private func drainRest(_ handle: @escaping (KernelEvent) -> Void) throws(CaptureError) {
        let end = now
        while !source.isAtEnd, source.now < end, now < end + Self.patience {
            var polled = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
            poll(&polled, 1, 50)
            try drain(handle)
        }
    }
    private static let patience: Nanoseconds = 2_000_000_000
}

extension TracedTarget {
    init(_ target: Target) {
        self.init()
        (ports, pids, comms, cgroups) = (target.ports, target.pids, target.comms, target.cgroups)
    }
}

extension Target {
    init(_ target: TracedTarget) {
        self.init()
        (ports, pids, comms, cgroups) = (target.ports, target.pids, target.comms, target.cgroups)
    }

    /// `?port=80,443&comm=nginx`; empty: everything.
    var query: String {
        let lists = [
            ("port", ports.map(String.init)), ("pid", pids.map(String.init)), ("comm", comms), ("cgroup", cgroups),
        ]
        let parts = lists.filter { !$0.1.isEmpty }.map {
            "\($0.0)=\($0.1.map(\.percentEncoded).joined(separator: ","))"
        }
        return parts.isEmpty ? "" : "?" + parts.joined(separator: "&")
    }

    /// From such a query, decoded; nil: it is none.
    init?(query: [String: String]) {
        self.init()
        let list = { (name: String) in query[name].map { $0.split(separator: ",").map(String.init) } ?? [] }
        (comms, cgroups) = (list("comm"), list("cgroup"))
        ports = list("port").compactMap { UInt16($0) }
        pids = list("pid").compactMap { Int32($0) }
        guard ports.count == list("port").count, pids.count == list("pid").count,
            [ports.count, pids.count, comms.count, cgroups.count].allSatisfy({ $0 <= Target.limit })
        else { return nil }
    }
}

extension String {
    /// For a query; also a comma, which separates.
    var percentEncoded: String {
        var text = ""
        for byte in utf8 {
            let isPlain =
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e, 0x2f: true
                default: false
                }
            if isPlain {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text
    }
}
