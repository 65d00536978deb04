// SPDX-License-Identifier: MIT
import TailraceModel

extension Verdict {
    /// Values that a 99th percentile needs; fewer ended responses or flushes say nothing.
    static let fewest: Int64 = 100
    /// Share in the slowest 1 % from which a stage is where they wait.
    static let leadingShare = 0.4
    /// Rank correlation from which a stage climbs with open tasks.
    static let climbing = 0.6
    /// A finding of less severity does not lead the sentence.
    static let leading = Severity.warning

    /// What the numbers of a snapshot say, in one sentence. Each clause has its threshold.
    init(of snapshot: Snapshot) {
        self.init()
        let table = snapshot.isAboutFlushes ? snapshot.flushes : snapshot.responses
        addDetail(snapshot)
        addLoss(snapshot)
        addHolders(snapshot)
        addLatency(table, snapshot)
        addTasks(table, snapshot)
        addFinding(snapshot)
        if severity == nil { addCalm(table, snapshot) }
    }

    private mutating func raise(_ to: Severity) { severity = max(severity ?? to, to) }

    /// What is not told cannot be seen in any other way.
    private mutating func addDetail(_ snapshot: Snapshot) {
        guard let level = snapshot.facts.detail, level > .full else { return }
        raise(level >= .noConnections ? .warning : .notice)
        clauses.append(Clause(.loss, "The daemon does less, to cost no more than it may: \(level.words)."))
    }

    private mutating func addLoss(_ snapshot: Snapshot) {
        let unseen = snapshot.facts.recentlyUnseen ?? snapshot.facts.loss.unseen
        guard unseen > 0 else { return }
        raise(.notice)
        clauses.append(Clause(.loss, "\(Quantity.count(Int64(clamping: unseen))) events lost: numbers are incomplete."))
    }

    private mutating func addLatency(_ table: StageTable, _ snapshot: Snapshot) {
        guard table.count >= Self.fewest, let p99 = table.total.p99, let worst = table.worst,
            worst.slowShare >= Self.leadingShare
        else { return }
        let what = snapshot.isAboutFlushes ? "delivery p99" : "p99"
        clauses.append(Clause(.latency, "\(what) \(Quantity.duration(p99)):"))
        let share = Quantity.percent(worst.slowShare)
        var text = "\(share) of the slowest \(table.slowCount) is \(worst.stage.rawValue)"
        if worst.stage == .network, let delay = table.slowAckDelay, delay >= Self.leadingShare {
            text += ", \(Quantity.percent(delay)) of that the peer's delayed ACK"
        }
        if worst.isClimbing, (worst.rho ?? 0) >= Self.climbing {
            text += ", rising with open tasks (rho \(Phrase.digits(worst.rho ?? 0)))"
        }
        clauses.append(Clause(.stage(worst.stage), text + "."))
    }

    private mutating func addTasks(_ table: StageTable, _ snapshot: Snapshot) {
        guard let curve = snapshot.curve, let knee = curve.knee, let now = curve.now, Double(now) > knee,
            table.rows.contains(where: \.isClimbing)
        else { return }
        raise(.warning)
        let what = curve.provider == StageCorrelation.responses ? "in flight" : "open tasks (\(curve.provider))"
        clauses.append(
            Clause(.tasks, "Beyond the knee: \(now) \(what), latency climbs from \(Phrase.digits(knee)) on."))
    }

    private mutating func addHolders(_ snapshot: Snapshot) {
        let totals = snapshot.totals
        let held = Holder.allCases.indices.filter { Holder.allCases[$0] != .nobody && totals.held[$0] > 0 }
        guard
            let worst = held.max(by: {
                (totals.heldBytes[$0], totals.held[$0]) < (totals.heldBytes[$1], totals.held[$1])
            })
        else { return }
        let count = totals.held[worst]
        let words =
            switch Holder.allCases[worst] {
            case .client: "\(Phrase.count(count, "client reads", "clients read")) too slowly"
            case .path: "\(Phrase.count(count, "connection waits", "connections wait")) for the path"
            case .device:
                "\(Phrase.count(count, "connection waits", "connections wait")) at the device"
            case .nobody, .unclear:
                "\(Phrase.count(count, "connection waits", "connections wait")) for send-buffer room"
            }
        raise(totals.wait >= 1_000_000_000 ? .warning : .notice)
        let longest = totals.heldLongest[worst].map { ", \($0.remote) for \(Quantity.duration($0.wait))" } ?? ""
        let bytes = Quantity.size(totals.heldBytes[worst])
        clauses.append(Clause(.holder(Holder.allCases[worst]), "\(words)\(longest): \(bytes) unsent."))
    }

    private mutating func addFinding(_ snapshot: Snapshot) {
        let open = snapshot.findings.filter { $0.end == nil && $0.severity >= Self.leading }
        guard let first = open.first else { return }
        raise(first.severity)
        let said = clauses.flatMap { Self.covered($0.subject) }
        if let rest = open.first(where: { !said.contains($0.anomaly) }) {
            clauses.append(Clause(.finding, "\(rest.anomaly.rawValue): \(rest.anomaly.meaning)."))
        }
        if open.count > 1 { clauses.append(Clause(.finding, "\(open.count) findings are open.")) }
    }

    /// Findings that a clause says already.
    private static func covered(_ subject: Clause.Subject) -> [Anomaly] {
        switch subject {
        case .holder(.client): [.slowConsumer, .queuePressure, .blockedWriters]
        case .holder(.path): [.congestedPath, .queuePressure, .blockedWriters]
        case .holder(.device): [.qdiscPressure, .queuePressure, .blockedWriters]
        case .holder: [.queuePressure, .blockedWriters]
        case .tasks: [.taskSaturation]
        default: []
        }
    }

    private mutating func addCalm(_ table: StageTable, _ snapshot: Snapshot) {
        let totals = snapshot.totals
        guard table.count >= Self.fewest else {
            let what = snapshot.isAboutFlushes ? "flushes" : "ended responses"
            var text = "Not enough data yet: \(table.count) \(what) in the last minute, \(Self.fewest) are needed"
            text += totals.open > 0 ? "; \(totals.open) open, none held." : "."
            return clauses.append(Clause(.data, text))
        }
        clauses.insert(Clause(.calm, "Nothing waits, and nothing was found: \(totals.open) open."), at: 0)
        guard clauses.count == 1, let p99 = table.total.p99 else { return }
        clauses.append(Clause(.latency, "p99 \(Quantity.duration(p99))."))
    }
}
