// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceCapture
import TailraceModel

/// A run that goes on now: of our own, or the daemon's, read along. Commands do not ask which.
protocol LiveRun: ResponseRun {
    /// Waits for so many ns instead of the run, and takes signals; true ends the run.
    var pause: ((Nanoseconds) -> Bool)? { get set }
    /// Sees every record.
    var tap: (any RecordTap)? { get set }
    /// For a recording that begins now.
    var recordingDescription: RecordingDescription { get }

    /// From now on what is told of the servers' tasks is in the stream.
    func readTasks(of options: TargetOptions) throws
    /// Time inside the kernel's functions, where that was asked for.
    func functionTimes() -> [FunctionTime]

    /// Until a signal, or until `isDone`.
    func run(
        tell: @escaping (borrowing Actions) -> Void, afterDrain: () throws -> Void, isDone: () -> Bool) throws
    /// The events alone.
    func run(
        handle: @escaping (KernelEvent) -> Void, afterDrain: () throws -> Void, mayEnd: () -> Bool, isDone: () -> Bool)
        throws
}

extension LiveRun {
    func run(tell: @escaping (borrowing Actions) -> Void, afterDrain: () throws -> Void) throws {
        try run(tell: tell, afterDrain: afterDrain, isDone: { false })
    }
}

extension TracingRun: LiveRun {
    var tap: (any RecordTap)? {
        get { source.tap }
        set { source.tap = newValue }
    }

    var recordingDescription: RecordingDescription {
        RecordingDescription(version: Tailrace.version, facts: facts, backend: source.backend, target: target)
    }

    func functionTimes() -> [FunctionTime] { source.functionTimes() }
}
