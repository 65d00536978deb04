// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// A run that tells responses: live, or again from a recording. Commands do not ask which.
protocol ResponseRun: AnyObject {
    /// What it is.
    var description: RunDescription { get }
    /// For wall times of what is told now.
    var anchor: ClockAnchor { get }
    /// Its clock; for a recording, up to when it was replayed.
    var now: Nanoseconds { get }
    /// Events of connections that were never announced.
    var unattributed: UInt64 { get }
    /// Connections that are followed now.
    var connections: Int { get }
    /// What of the recording was used; nil: it is live.
    var recording: RecordingAccount? { get }

    /// Goes through to its end.
    ///
    /// - Parameters:
    ///   - tell: what an event led to.
    ///   - afterDrain: called after each piece: write out, look at the clock.
    /// - Throws: what `afterDrain` throws, or why it cannot go on.
    func run(tell: @escaping (borrowing Actions) -> Void, afterDrain: () throws -> Void) throws
    /// Responses that are open at its end, as they stand.
    func openResponses() -> [Response]
    /// What was made, and what of it did not arrive.
    func loss() -> Loss
}

extension RunDescription {
    init(version: String, host: String, kernel: String, backend: String, target: Target, anchor: ClockAnchor) {
        self.init(version: version, host: host, kernel: kernel, backend: backend, anchor: anchor)
        ports = target.ports
        pids = target.pids
        comms = target.comms
        cgroups = target.cgroups
        driverUnavailable = Backend(rawValue: backend)?.driverUnavailable
    }
}

extension Loss {
    /// For people, one phrase.
    var words: String {
        let known = "\(made) events made, \(delivered) delivered"
        guard isAny else { return known + ", none lost" }
        var words = known + ", \(lostTotal) lost (ring full), \(missed) missed (recursion), "
        words += "\(untracked) connections untracked (no memory), \(untrackedMPTCP) untracked (MPTCP), "
        words += "\(undecodable) undecodable"
        return unrecorded == 0 ? words : words + ", \(unrecorded) not in the recording"
    }
}
