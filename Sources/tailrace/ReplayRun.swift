// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// A recording, replayed at once. Neither the clock nor /proc of this machine is read: the same recording tells the same
/// anywhere.
final class ReplayRun: ResponseRun {
    /// The recording.
    let source: any RecordedSource
    private var correlator: Correlator

    /// Opens the recording; what cannot be read is refused with exit code 65.
    init(_ choice: RecordingChoice, tellsFlushes: Bool) throws {
        source = try choice.open()
        correlator = Correlator(tellsFlushes: tellsFlushes)
    }

    var anchor: ClockAnchor { source.anchor }
    var now: Nanoseconds { source.now }
    var unattributed: UInt64 { correlator.unattributed }
    var connections: Int { correlator.connections }
    var recording: RecordingAccount? { source.account }

    var description: RunDescription {
        let recorded = source.description
        return RunDescription(
            version: recorded.version, host: recorded.host, kernel: recorded.kernel, backend: recorded.backend,
            target: recorded.target, anchor: recorded.anchor)
    }

    func run(tell: @escaping (borrowing Actions) -> Void, afterDrain: () throws -> Void) throws {
        while !source.isAtEnd {
            try source.drain { [self] event in correlator.take(event, tell) }
            try afterDrain()
        }
        correlator.finish(tell)
        try afterDrain()
    }

    func openResponses() -> [Response] { correlator.open(at: now) }
    func loss() -> Loss { source.loss() }
}
