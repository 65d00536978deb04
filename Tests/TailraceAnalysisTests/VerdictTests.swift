// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// Each clause of the sentence, on both sides of its threshold.
struct VerdictTests {
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    private func table(_ stage: Stage, share: Double, count: Int64 = 1000, rho: Double? = nil) -> StageTable {
        var times = Distribution()
        times.add(20_000_000, times: count)
        var table = StageTable()
        (table.count, table.total, table.slowCount) = (count, times, Int(max(1, count / 100)))
        var row = StageRow(stage: stage, times: times)
        (row.slowShare, row.rho, row.probability) = (share, rho, rho.map { _ in 1e-6 })
        var rest = StageRow(stage: .read, times: times)
        rest.slowShare = min(share, 1 - share) / 2
        table.rows = [rest, row]
        return table
    }

    private func finding(_ anomaly: Anomaly, _ severity: Severity, end: Nanoseconds? = nil) -> Finding {
        let symptom = Symptom(severity, evidence: [], summary: "s")
        var finding = Finding(id: anomaly.rawValue, anomaly: anomaly, at: 1, server: server, symptom)
        finding.end = end
        return finding
    }

    private func verdict(_ change: (inout Snapshot) -> Void) -> Verdict {
        var snapshot = Snapshot()
        snapshot.responses = table(.app, share: 0.2)
        change(&snapshot)
        return Verdict(of: snapshot)
    }

    @Test("a stage leads from 40 % of the slowest on")
    func stage() {
        #expect(!verdict { $0.responses = table(.blocked, share: 0.39) }.sentence.contains("blocked"))
        let told = verdict { $0.responses = table(.blocked, share: 0.41) }
        #expect(told.sentence.contains("p99 20.0ms: 41 % of the slowest 10 is blocked."), "\(told.sentence)")
        #expect(told.clauses.contains { $0.subject == .stage(.blocked) })
        #expect(!verdict { $0.responses = table(.blocked, share: 0.9, count: 99) }.sentence.contains("blocked"))
    }

    @Test("it rises with open tasks from a correlation of 0.6 on")
    func climbing() {
        let flat = verdict { $0.responses = table(.queue, share: 0.8, rho: 0.59) }
        #expect(!flat.sentence.contains("rising"))
        let steep = verdict { $0.responses = table(.queue, share: 0.8, rho: 0.61) }
        #expect(steep.sentence.contains("is queue, rising with open tasks (rho 0.61)."), "\(steep.sentence)")
    }

    @Test("a delayed ACK is not the network's fault, and said so")
    func delayedACK() {
        let told = verdict {
            $0.responses = table(.network, share: 0.8)
            $0.responses.slowAckDelay = 0.9
        }
        #expect(told.sentence.contains("is network, 90 % of that the peer's delayed ACK."), "\(told.sentence)")
    }

    @Test("the knee is told when more are in flight than it, and a stage climbs")
    func knee() {
        for (now, rho, isTold) in [(5, 0.9, false), (50, 0.3, false), (50, 0.9, true)] {
            let told = verdict {
                $0.responses = table(.app, share: 0.8, rho: rho)
                $0.curve = TaskCurve(points: [], knee: 12, count: 100, provider: "responses", now: now, server: server)
            }
            #expect(told.clauses.contains { $0.subject == .tasks } == isTold, "\(told.sentence)")
            #expect((told.severity == .warning) == isTold)
        }
    }

    @Test("the knee is told in what is counted")
    func kneeOfTasks() {
        let told = verdict {
            $0.responses = table(.app, share: 0.8, rho: 0.9)
            $0.curve = TaskCurve(points: [], knee: 12, count: 100, provider: "go", now: 50, server: server)
        }
        #expect(
            told.sentence.contains("Beyond the knee: 50 open tasks (go), latency climbs from 12"), "\(told.sentence)")
        let unknown = verdict {
            $0.responses = table(.app, share: 0.8, rho: 0.9)
            $0.curve = TaskCurve(points: [], knee: 12, count: 100, provider: "go", now: nil, server: server)
        }
        #expect(!unknown.clauses.contains { $0.subject == .tasks })
    }

    @Test("who holds most bytes is blamed, by its own words", arguments: [Holder.client, .path, .device, .unclear])
    func holders(holder: Holder) throws {
        let place = try #require(Holder.allCases.firstIndex(of: holder))
        let told = verdict {
            ($0.totals.held[place], $0.totals.heldBytes[place], $0.totals.wait) = (3, 3 << 20, 2_000_000_000)
            let worst = Endpoint(ipv4: true, bytes: (0x0700_000a, 0), port: 81)
            $0.totals.heldLongest[place] = HeldClient(remote: worst, wait: 2_000_000_000)
        }
        let words: [Holder: String] = [
            .client: "3 clients read too slowly, ", .path: "3 connections wait for the path",
            .device: "3 connections wait at the device", .unclear: "3 connections wait for send-buffer room",
        ]
        #expect(told.sentence.hasPrefix(words[holder] ?? "?"), "\(told.sentence)")
        #expect(told.severity == .warning && told.clauses.first?.subject == .holder(holder))
        #expect(told.sentence.contains(", 10.0.0.7:81 for 2.00s: 3.00MiB unsent."), "\(told.sentence)")
    }

    @Test("a finding is told unless a clause says it, a notice or a closed one never")
    func findings() throws {
        let client = try #require(Holder.allCases.firstIndex(of: .client))
        let told = verdict {
            $0.totals.held[client] = 1
            $0.findings = [finding(.slowConsumer, .critical), finding(.taskLeak, .warning)]
        }
        #expect(told.severity == .critical)
        #expect(told.sentence.contains("task-leak: ") && !told.sentence.contains("slow-consumer"))
        #expect(told.sentence.hasSuffix("2 findings are open."))
        let calm = verdict { $0.findings = [finding(.taskLeak, .critical, end: 2), finding(.queuePressure, .notice)] }
        #expect(calm.severity == nil && calm.clauses.first?.subject == .calm, "\(calm.sentence)")
    }
}
