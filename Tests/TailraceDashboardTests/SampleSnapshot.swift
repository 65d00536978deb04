// SPDX-License-Identifier: MIT
import TailraceModel

/// A run that has everything: slow clients, a lossy path, a leak, hostile names.
enum SampleSnapshot {
    static let second: Int64 = 1_000_000_000
    static let hostile = "\u{1b}[2J\r\n\u{202e}evil漢字名前\u{0301}"
    static let server = Server(pid: 918, started: 1, comm: "ws-fanout", executable: nil, cgroup: nil)
    static let other = Server(pid: 4121, started: 1, comm: hostile, executable: nil, cgroup: nil)

    static let peer6 = Endpoint(ipv4: false, bytes: (0x0000_0000_b80d_0120, 0x3412_ffff_cdab_ef05), port: 40_000)

    static func endpoint(_ number: Int, port: UInt16) -> Endpoint {
        Endpoint(ipv4: true, bytes: (UInt64(0x0a | 0x0c << 8 | (number & 255) << 24), 0), port: port)
    }

    static func make(at seconds: Int64 = 1000, open: Int = 12) -> Snapshot {
        let at = seconds * second
        var facts = RunFacts()
        (facts.host, facts.kernel, facts.backend, facts.target) = ("edge-7", "6.18", "fentry", "port 8080")
        facts.anchor = ClockAnchor(monotonic: 0, wall: 49_642 * second)
        (facts.eventsPerSecond, facts.ownShare, facts.ownBytes) = (18_420, 0.013, 31 << 20)
        var snapshot = Snapshot(facts: facts, at: at)
        addTables(&snapshot)
        for number in 0..<open { add(number, to: &snapshot, at: at) }
        (snapshot.totals.open, snapshot.openCount) = (open, open)
        (snapshot.totals.connections, snapshot.connectionCount) = (open, open)
        (snapshot.totals.held[1], snapshot.totals.unsentBytes) = (min(9, open), 7_450_000)
        snapshot.totals.tasks = 5014
        snapshot.totals.endedPerSecond = 447
        snapshot.totals.bytesPerSecond = 22_000_000
        snapshot.verdict.severity = .critical
        snapshot.verdict.clauses = [
            Verdict.Clause(.holder(.client), "9 clients read too slowly, 10.12.0.0:40000 for 5.24s: 7.10MiB unsent."),
            Verdict.Clause(.latency, "p99 473ms:"),
            Verdict.Clause(.stage(.blocked), "69 % of the slowest 20 is blocked."),
        ]
        addFindings(&snapshot, at: at)
        addServers(&snapshot)
        return snapshot
    }

    private static func addTables(_ snapshot: inout Snapshot) {
        let shares: [Stage: (p50: Int64, share: Double)] = [
            .read: (30_000, 0.01), .app: (11_000_000, 0.12), .send: (19_000, 0), .blocked: (26_000_000, 0.69),
            .queue: (5_700_000, 0.07), .qdisc: (141_000, 0), .network: (23_000_000, 0.11),
        ]
        var table = StageTable()
        (table.count, table.slowCount, table.slowFrom) = (2000, 20, 470_000_000)
        for stage in Stage.allCases {
            guard let (p50, share) = shares[stage] else { continue }
            var times = Distribution()
            times.add(p50, times: 1900)
            times.add(p50 * 9, times: 100)
            var row = StageRow(stage: stage, times: times)
            row.slowShare = share
            row.recent = (0..<60).map { Double(p50) * (1 + Double($0) / 60) }
            if stage == .blocked { (row.rho, row.probability) = (0.91, 1e-9) }
            table.rows.append(row)
            table.total.merge(times)
        }
        snapshot.responses = table
        snapshot.series.p50 = (0..<110).map { (place: Int) -> Double? in 50e6 + Double(place % 7) * 1e6 }
        snapshot.series.p99 = (0..<110).map { (place: Int) -> Double? in
            place < 10 ? nil : 300e6 + Double((place * 37) % 11) * 20e6
        }
        snapshot.series.open = (0..<110).map { Double(10 + $0 / 10) }
        snapshot.series.tasks = (0..<110).map { 4000 + Double($0) * 9 }
        snapshot.responseHeat.columns = (0..<110).map { column in
            (0..<HeatMap.rows).map { row in
                let distance = abs(row - 46 - column / 20)
                return distance < 5 ? UInt32(100 >> (2 * distance)) : 0
            }
        }
        let points: [TaskCurve.Point] = (0..<20).map { (place: Int) in
            let factor: Double = place < 12 ? 1 : Double(place - 10) * 4
            return TaskCurve.Point(tasks: Double(place) * 500, latency: 1e7 * factor)
        }
        snapshot.curve = TaskCurve(points: points, knee: 6100, count: 480, provider: "go", now: 5014, server: server)
        snapshot.tasks.lines = [
            TaskPicture.Line(provider: "responses", counts: snapshot.series.open),
            TaskPicture.Line(provider: "go", counts: snapshot.series.tasks),
        ]
    }

    private static func add(_ number: Int, to snapshot: inout Snapshot, at: Nanoseconds) {
        let connection = Connection(
            cookie: UInt64(number + 1), local: endpoint(1, port: 8080),
            remote: endpoint(number, port: UInt16(40_000 + number)), established: 1)
        var row = ResponseRow(
            number: 1, on: connection, server: number % 3 == 2 ? other : server,
            begin: at - Int64(number + 1) * 37 * second, duration: Int64(number + 1) * 37 * second)
        row.request = number % 4 == 3 ? "GET /\(hostile)" : "GET /stream/\(number)"
        row.wait = number < 9 ? Int64(9 - number) * 580_000_000 : 0
        row.holder = number < 9 ? (number == 4 ? .path : .client) : .nobody
        row.stage = number < 6 ? .blocked : number < 9 ? .queue : .app
        row.unsentBytes = number < 9 ? Int64(927_000 - number * 90_000) : 0
        row.queuedBytes = row.unsentBytes * 5 / 4
        row.silence = Int64(number + 1) * 400_000_000
        (row.gap, row.flushes, row.rtt, row.drained) = (48_000_000, Int64(number * 111), 74_000_000, 12_000)
        row.tasks = 5014
        snapshot.open.append(row)
        var sample = SocketSample()
        (sample.socket, sample.unsentBytes, sample.queuedBytes) = (
            connection.cookie, UInt32(row.unsentBytes), UInt32(row.queuedBytes)
        )
        (sample.sndbufBytes, sample.oldestUnsent, sample.congestionWindow) = (1_400_000, row.wait, 10)
        snapshot.connections.append(
            SocketRow(
                connection: connection, server: row.server ?? server, sample: sample, rtt: 74_000_000,
                leastRTT: 9_000_000, drained: 12_000, written: 55_000, peerWindowShare: 0.98, holder: row.holder,
                clientFin: nil, response: row.key, request: row.request))
        var ended = row
        ended.key = ResponseKey(cookie: UInt64(500 + number), number: 2)
        (ended.endedBy, ended.status) = (number % 5 == 1 ? .clientReset : .complete, 200)
        var times = StageTimes()
        (times[.app], times[.blocked], times[.network]) = (second, Int64(number + 1) * second, 300_000_000)
        (ended.timeline, ended.duration) = (times, times.total)
        snapshot.ended.append(ended)
    }

    private static func addFindings(_ snapshot: inout Snapshot, at: Nanoseconds) {
        let said: [(Anomaly, Severity, String)] = [
            (
                .taskLeak, .critical,
                "5,014 tasks are open (go), 1,240 more than connections explain; most of them: \(hostile)"
            ),
            (.slowConsumer, .warning, "9 of 12 connections hold 100 % of the 7.4 MB unsent"),
            (.queuePressure, .notice, "7.4 MB wait unsent"),
        ]
        for (place, (anomaly, severity, summary)) in said.enumerated() {
            let connection = Connection(
                cookie: 1, local: endpoint(1, port: 8080), remote: endpoint(0, port: 40_000), established: 1)
            let symptom = Symptom(
                severity, since: at - Int64(place + 1) * 8 * second, connection: place == 1 ? connection : nil,
                evidence: [
                    Evidence("unsent_bytes", .bytes(7_400_000)), Evidence("peer_waits_ns", .duration(5_240_000_000)),
                    Evidence("response", .text(place == 1 ? "1-1" : nil)),
                ], summary: summary)
            var finding = Finding(id: "\(anomaly.rawValue)-918-1", anomaly: anomaly, at: at, server: server, symptom)
            if place == 2 { (finding.end, finding.state) = (at - second, .closed) }
            snapshot.findings.append(finding)
        }
    }

    private static func addServers(_ snapshot: inout Snapshot) {
        for (place, server) in [server, other].enumerated() {
            var row = ServerRow(server: server)
            (row.inFlight, row.connections, row.unsentBytes) = (12 - place, 12, 7_400_000)
            row.tasks = TaskCount(provider: "go", open: 5014)
            row.pressure.all.some.avg10 = 71 - Double(place) * 60
            row.pressure[.peerWindow].some.avg10 = 64
            snapshot.servers.append(row)
        }
        var group = TaskGroup(provider: "go", count: 1240, state: "waiting")
        group.createdBy = CodePlace(function: "main.stream", file: "/src/server.go", line: 41)
        (group.waitsFor, group.oldest) = ("chan send", 95 * second)
        snapshot.tasks.groups = [TaskPicture.Group(pid: 918, group: group, growth: 42)]
        snapshot.tasks.counted = snapshot.at - 2 * second
    }
}
