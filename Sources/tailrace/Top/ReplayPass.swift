// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceCapture
import TailraceModel
import TailraceOutput

/// One way through a recording, from its beginning on, block by block.
final class ReplayPass {
    private let source: any RecordedSource
    private var correlator = Correlator(tellsFlushes: true)
    private var builder: SnapshotBuilder
    let begin: Nanoseconds
    /// When findings were told, the oldest first.
    private(set) var findingTimes: [Nanoseconds] = []
    private(set) var facts: RunFacts
    private var lastRate: (at: Nanoseconds, delivered: UInt64) = (0, 0)
    private static let mostFindings = 10_000
    /// Shortest time that a rate is made of, ns.
    private static let shortest: Int64 = 100_000_000

    /// What cannot be read is refused with exit code 65.
    init(_ choice: RecordingChoice, limits: Thresholds) throws {
        source = try choice.open()
        builder = SnapshotBuilder(limits: limits)
        begin = source.now
        let run = source.description
        facts = RunFacts(
            RunDescription(
                version: run.version, host: run.host, kernel: run.kernel, backend: run.backend, target: run.target,
                anchor: run.anchor), target: run.target.description)
    }

    var now: Nanoseconds { source.now }
    var isAtEnd: Bool { source.isAtEnd }
    /// How many were told.
    var findings: Int { builder.opened }

    /// On by one block: a second at most.
    func step() throws {
        let before = builder.opened
        try source.drain { [self] event in correlator.take(event) { builder.take($0) } }
        if builder.opened > before, findingTimes.count < Self.mostFindings { findingTimes.append(now) }
    }

    /// As it stood then.
    func snapshot(_ facts: RunFacts, _ request: SnapshotRequest) -> Snapshot {
        var facts = facts
        facts.loss = source.loss()
        facts.anchor = source.anchor
        if now - lastRate.at >= Self.shortest {
            let events = facts.loss.delivered &- min(facts.loss.delivered, lastRate.delivered)
            if lastRate.at > 0 { facts.eventsPerSecond = Double(events) / Double(now - lastRate.at) * 1e9 }
            self.facts.eventsPerSecond = facts.eventsPerSecond
            lastRate = (now, facts.loss.delivered)
        }
        return builder.snapshot(at: now, facts: facts, request: request) { correlator.open(at: now, on: $0) }
    }
}
