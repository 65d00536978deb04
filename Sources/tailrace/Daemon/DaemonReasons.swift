// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceModel

/// Why it is not as well as it could be.
extension Daemon {
    /// Sentences; none: all is well. What was lost long ago is in the counters, and no reason.
    func reasons(_ account: DaemonAccount, at now: Nanoseconds) -> [String] {
        var reasons: [String] = []
        let recent = recentLoss.of(account.loss ?? Loss(), at: now)
        if recent.unseen > 0 {
            reasons.append("in the last \(RecentLoss.window / 60_000_000_000) minutes: \(recent.words)")
        }
        if let level = account.breaker.flatMap({ DetailLevel(rawValue: $0.level) }), level > .full {
            reasons.append("to cost no more than it may, it does less: \(level.words)")
        }
        if account.taskReader?.isReading == false {
            reasons.append("the process that counts tasks has ended, and none are counted; restart the service")
        }
        if let flight = account.flight, !flight.isRecording, breaker.level < .noFlight {
            reasons.append(
                "the last minutes are not recorded: \(Sanitizer.visible(flight.problem ?? "it has not begun"))")
        }
        if let failure = account.otlp?.failure {
            reasons.append("nothing is sent by OTLP: \(Sanitizer.visible(failure))")
        }
        reasons += missingCgroups.map(Self.sentence)
        return reasons
    }

    /// Of the target: what may come later.
    var missingCgroups: [String] {
        zip(settings.cgroups, cgroupNumbers).filter { $0.1 == nil }.map(\.0)
    }

    static func sentence(missing cgroup: String) -> String {
        "there is no cgroup \(Sanitizer.visible(cgroup)): what runs in it is traced once it is there"
    }

    static func sentence(_ change: Outage.Change) -> String {
        switch change {
        case .began(let why):
            "nothing is sent by OTLP: \(Sanitizer.visible(why)); what waits is tried again for five minutes"
        case .ended: "OTLP is taken again"
        }
    }
}
