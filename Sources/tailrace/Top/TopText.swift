// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceModel
import TailraceOutput

/// The dashboard where there is no terminal: a table for each interval, whole lines, nothing that moves a cursor.
final class TopText {
    private let interval: Nanoseconds
    private var builder: SnapshotBuilder
    private var facts: RunFacts
    private var output = Output(STDOUT_FILENO)
    private var next: Nanoseconds?

    init(interval: Nanoseconds, limits: Thresholds, facts: RunFacts) {
        self.interval = interval
        self.facts = facts
        builder = SnapshotBuilder(limits: limits)
    }

    /// Goes through the run; the last table is of its end.
    func print(_ run: any ResponseRun) throws {
        try run.run(
            tell: { [self] in builder.take($0) },
            afterDrain: { [self] in
                let now = run.now
                let due = next ?? now + interval
                next = due
                guard now >= due else { return }
                // A gap in a recording is one interval, however long it is.
                next = due + interval > now ? due + interval : now + interval
                try table(run, at: now)
            })
        try table(run, at: run.now)
    }

    /// What the daemon shows, until a signal, which is blocked: also where it gives nobody its stream.
    static func print(_ client: DaemonClient, interval: Nanoseconds) throws {
        var output = Output(STDOUT_FILENO)
        let question = "/v1/top?request=" + SnapshotLine.text(SnapshotRequest()).percentEncoded
        var isOver = false
        while !isOver {
            isOver = StopSignals.wait(interval)
            output.append(SnapshotText.table(try client.snapshot(question)))
            try output.flush()
        }
        StopSignals.unblock()
    }

    private func table(_ run: any ResponseRun, at now: Nanoseconds) throws {
        facts.loss = run.loss()
        facts.anchor = run.anchor
        let snapshot = builder.snapshot(at: now, facts: facts) { _ in run.openResponses() }
        output.append(SnapshotText.table(snapshot))
        try output.flush()
    }
}
