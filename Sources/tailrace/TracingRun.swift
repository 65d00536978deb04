// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// A run from attaching to the last record: the loop that every live command shares.
final class TracingRun {
    let source: KernelSource
    let facts: KernelFacts
    private(set) var correlator: Correlator
    private(set) var anchor = ClockAnchor.now()
    private(set) var target: Target
    /// Time between two drains of the ring. 10 ms: a hundred wake-ups a second, and none per event.
    private let drainInterval: Int64 = 10_000_000
    /// Time between two looks at all sockets, and at the target, ns; may change at any time.
    var lookInterval = TracingRun.usualLookInterval
    static let usualLookInterval: Nanoseconds = 1_000_000_000
    private var hasAdoptedAgain = false
    /// Takes an event, while it runs.
    private var hear: ((KernelEvent) -> Void)?
    private var witness: TaskWitness?
    /// Waits for so many ns instead of us, and takes signals; true ends the run. For whoever has a terminal to look at.
    var pause: ((Nanoseconds) -> Bool)?
    /// Its target may be gone, and come again: the run goes on.
    private let isPatient: Bool
    /// How long a port may be without a listener before the run gives up.
    private static let listenerGrace: Int64 = 5_000_000_000

    /// Checks the target, loads and attaches. `backend` nil: the best that this kernel allows; `isPatient`: also what is not
    /// there yet is traced once it is.
    init(
        target: Target, backend: Backend? = nil, timesFunctions: Bool = false,
        ringBytes: UInt32 = KernelSource.defaultRingBytes, maxConnections: UInt32 = 1 << 16, tellsFlushes: Bool,
        isPatient: Bool = false
    ) throws {
        self.target = target
        self.isPatient = isPatient
        facts = KernelFacts.probe()
        if !isPatient { try target.check() }
        source = try KernelSource(
            target: target, facts: facts, backend: backend, timesFunctions: timesFunctions, ringBytes: ringBytes,
            socketLimit: maxConnections)
        correlator = Correlator(tellsFlushes: tellsFlushes)
        // Blocked, so that they are taken where nothing is half done.
        StopSignals.block()
        try source.attach()
        try source.adopt()
    }

    /// Drains until a signal, until `isDone`, or until every traced process is gone; then detaches and drains the rest.
    ///
    /// - Parameters:
    ///   - tell: what an event led to.
    ///   - afterDrain: called after each drain: write out, look at the clock.
    ///   - isDone: true ends the run.
    /// - Throws: what `afterDrain` throws, or `Failure` where nothing listens on the port.
    func run(
        tell: @escaping (borrowing Actions) -> Void, afterDrain: () throws -> Void, isDone: () -> Bool
    ) throws {
        try run(
            handle: { [self] event in correlator.take(event, tell) }, afterDrain: afterDrain, mayEnd: { true },
            isDone: isDone)
        correlator.finish(tell)
        try afterDrain()
    }

    /// From now on what is told of the servers' tasks is in the stream. Waits until those that are known are read, or for a
    /// short time.
    func readTasks(of options: TargetOptions) throws { witness = try TaskWitness(options) }

    /// Processes that work for this run.
    var helpers: [pid_t] { witness.map { $0.isReading ? [$0.process] : [] } ?? [] }

    /// Whether tasks are read, and how often who reads them has ended; nil: nobody wants them.
    var taskReader: DaemonAccount.TaskReader? {
        witness.map { DaemonAccount.TaskReader(isReading: $0.isReading, ended: $0.ended) }
    }

    /// While it is paused, nothing is told of tasks, and nothing is spent on them.
    func pauseTasks(_ isPaused: Bool) { witness?.pause(isPaused) }

    /// Groups of the servers' tasks, while somebody `asks` for them.
    func censuses(asks: Bool) -> [TaskCensus] { witness?.censuses(asks: asks) ?? [] }

    /// Another target from now on, while it runs: connections that match no longer are let go, those that match now are found.
    /// To be called from `afterDrain` or `isDone`.
    ///
    /// - Throws: `CaptureError`; the target before stays.
    func retarget(to target: Target) throws {
        guard let hear else { return }
        try source.retarget(to: target, hear)
        self.target = target
        hasAdoptedAgain = false
        isListenerSeen = true
    }

    /// The same without the correlator: for whoever only wants the events.
    ///
    /// - Parameters:
    ///   - handle: an event. What was told of tasks comes between two of the kernel's: behind all that were handled before.
    ///   - afterDrain: called after each drain.
    ///   - mayEnd: asked at a signal; false goes on until the next one.
    ///   - isDone: true ends the run.
    /// - Throws: what `afterDrain` throws, or `Failure` where nothing listens on the port.
    func run(
        handle: @escaping (KernelEvent) -> Void, afterDrain: () throws -> Void, mayEnd: () -> Bool,
        isDone: () -> Bool
    ) throws {
        let told: (KernelEvent) -> Void = { [source] event in
            if case .taskTold(let told) = event { source.tap?.take(told) }
            handle(event)
        }
        let hear: (KernelEvent) -> Void = { [witness] event in
            handle(event)
            witness?.hear(event, told)
        }
        self.hear = hear
        defer { self.hear = nil }
        let begin = readClock(CLOCK_MONOTONIC)
        var nextCheck = begin + lookInterval / 2
        while !isDone() {
            if let pause {
                if pause(drainInterval) { break }
            } else if StopSignals.wait(drainInterval), mayEnd() {
                break
            }
            witness?.tell(told)
            source.drain(hear)
            try afterDrain()
            let now = readClock(CLOCK_MONOTONIC)
            guard now >= nextCheck else { continue }
            nextCheck = now + lookInterval
            anchor = ClockAnchor.now()
            try source.sample(hear)
            // Once more: what waited to be accepted when tracing began belongs to a process by now.
            if !hasAdoptedAgain { try source.adopt() }
            hasAdoptedAgain = true
            if try !isPatient && !targetExists(since: begin, now: now) { break }
        }
        source.detach()
        // A second signal ends at once.
        StopSignals.unblock()
        witness?.tell(told)
        source.drain(hear)
        // What was lost since the last look: the responses that it belongs to are marked.
        if source.loss().lostTotal > 0 { try source.sample(hear) }
        try afterDrain()
        // What is still on its way belongs to the open responses.
        try source.snapshot(hear)
    }

    private var isListenerSeen = false

    private func targetExists(since begin: Nanoseconds, now: Nanoseconds) throws -> Bool {
        if !isListenerSeen {
            let missing = target.portsWithoutListener()
            isListenerSeen = missing.count < max(1, target.ports.count)
            if !isListenerSeen, now - begin > Self.listenerGrace {
                let ports = missing.map(String.init).joined(separator: ", ")
                throw Failure(
                    "nothing listens on port \(ports): start the server first, or give the port that it listens on")
            }
        }
        return target.pids.isEmpty || target.pids.contains { kill($0, 0) == 0 || errno != ESRCH }
    }

    /// The open responses of a connection with what of theirs is on its way at this moment. Walks through all sockets.
    func openResponsesWithFlushes(on connection: UInt64) -> [Response] {
        // Not for a recording: what is on its way has its own record when it has arrived.
        let tap = source.tap
        source.tap = nil
        defer { source.tap = tap }
        try? source.snapshot { [self] event in correlator.take(event) { _ in } }
        return correlator.open(at: now, on: connection)
    }

    /// Open responses as they stand now.
    func openResponses() -> [Response] { correlator.open(at: now) }
}

extension TracingRun: ResponseRun {
    var now: Nanoseconds { readClock(CLOCK_MONOTONIC) }
    var unattributed: UInt64 { correlator.unattributed }
    var connections: Int { correlator.connections }
    var recording: RecordingAccount? { nil }

    func loss() -> Loss { source.loss() }

    var description: RunDescription {
        RunDescription(
            version: Tailrace.version, host: facts.host, kernel: facts.release, backend: source.backend.rawValue,
            target: target, anchor: anchor)
    }
}
