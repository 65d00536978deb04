// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// Responses, flushes and looks made by hand, told to a builder; what must come out is computed here.
struct SnapshotBuilderTests {
    private let second: Int64 = 1_000_000_000
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    private func connection(_ cookie: UInt64) -> Connection {
        let local = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: 80)
        let remote = Endpoint(ipv4: true, bytes: (0x0700_000a, 0), port: UInt16(truncatingIfNeeded: cookie))
        return Connection(cookie: cookie, local: local, remote: remote, established: 1)
    }

    private func response(
        _ cookie: UInt64, end: Nanoseconds, app: Int64, network: Int64, isStreaming: Bool = false
    ) -> Response {
        var response = Response(connection: connection(cookie))
        response.number = 1
        response.state = .ended
        response.endedBy = .complete
        response.server = server
        response.timeline[.app] = app
        response.timeline[.network] = network
        response.end = end
        response.begin = end - app - network
        response.isStreaming = isStreaming
        return response
    }

    private func look(
        _ cookie: UInt64, at: Nanoseconds, wait: Int64 = 0, unsent: UInt32 = 0, blocked: Int64 = 0, isSeen: Bool = true,
        retransmits: UInt32 = 0
    ) -> ConnectionLook {
        var sample = SocketSample()
        (sample.socket, sample.at, sample.congestionWindow, sample.peerWindow) = (cookie, at, 100, 1 << 20)
        (sample.oldestUnsent, sample.unsentBytes, sample.blocked) = (wait, unsent, blocked)
        (sample.queuedBytes, sample.retransmits) = (unsent, retransmits)
        if wait > 0 { (sample.unackedBytes, sample.peerWindow, sample.rwndLimited) = (0, 0, at) }
        var looked = LookedResponse()
        (looked.number, looked.begin, looked.method) = (1, at / 2, "GET")
        looked.target = "/path/\(cookie % 7)"
        return ConnectionLook(
            connection: connection(cookie), server: server, sample: sample, acknowledged: 1000, clientFin: nil,
            response: isSeen ? looked : nil)
    }

    private func round(_ looks: [ConnectionLook], at: Nanoseconds) -> RoundLook {
        var sample = ServerSample(server: server, at: at)
        for look in looks { sample.add(look.sample) }
        sample.inFlight = looks.count
        return RoundLook(begin: at - 1, at: at, connections: looks, holds: [], samples: [sample])
    }

    private func tell(_ builder: inout SnapshotBuilder, _ response: Response) {
        var response = response
        Actions.end(&response) { builder.take($0) }
    }

    private func tell(_ builder: inout SnapshotBuilder, _ looks: [ConnectionLook], at: Nanoseconds) {
        Actions.look(round(looks, at: at)) { builder.take($0) }
    }

    @Test("a second without a look is like the one after it, and segments sent again are spread over both")
    func looksApart() {
        var builder = SnapshotBuilder()
        for at in stride(from: 100, through: 120, by: 2) as StrideThrough<Int64> {
            tell(&builder, (1...10).map { look($0, at: at * second, retransmits: UInt32(at / 2)) }, at: at * second)
        }
        let series = builder.snapshot(at: 121 * second, facts: RunFacts()).series
        #expect(series.open == [Double](repeating: 10, count: 21))
        #expect(Set(series.retransmits.dropFirst(3)) == [5])
    }

    @Test("the table of stages has the values of the last minute, and no other")
    func stages() throws {
        var random = SeededGenerator(state: 7)
        var builder = SnapshotBuilder()
        let now = 200 * second
        var recent: [(app: Int64, network: Int64)] = []
        for number in 0..<6000 {
            let end = Int64.random(in: 90 * second..<now, using: &random)
            let app = Int64.random(in: 1_000_000...50_000_000, using: &random)
            let network = Int64.random(in: 100_000...20_000_000, using: &random)
            tell(&builder, response(UInt64(number + 1), end: end, app: app, network: network))
            if end >= now - 60 * second { recent.append((app, network)) }
        }
        // Streams last as long as they have something to say: in no percentile.
        tell(&builder, response(9999, end: now - second, app: 80 * second, network: 1, isStreaming: true))
        let table = builder.snapshot(at: now, facts: RunFacts()).responses
        #expect(table.count == Int64(recent.count))
        let app = try #require(table.rows.first { $0.stage == .app })
        #expect(app.times.sum == recent.reduce(0) { $0 + $1.app })
        let sorted = recent.map { $0.app }.sorted()
        let p99 = Double(sorted[Int((0.99 * Double(sorted.count)).rounded(.up)) - 1])
        #expect(abs(Double(app.times.p99 ?? 0) / p99 - 1) < 1.0 / 8)
        let wanted = (recent.count + 99) / 100
        let slowest = recent.sorted { $0.app + $0.network > $1.app + $1.network }.prefix(wanted)
        let share = slowest.reduce(0) { $0 + Double($1.app) / Double($1.app + $1.network) } / Double(wanted)
        #expect(table.slowCount == wanted)
        #expect(abs(app.slowShare - share) < 1e-9)
        #expect(table.slowFrom == slowest.last.map { $0.app + $0.network })
    }

    @Test("no p99 below 100 values, and the verdict says that it has not enough")
    func fewValues() {
        var builder = SnapshotBuilder()
        for number in 0..<99 { tell(&builder, response(UInt64(number + 1), end: 9 * second, app: 1000, network: 9000)) }
        let before = builder.snapshot(at: 10 * second, facts: RunFacts())
        #expect(before.responses.total.p99 == nil)
        #expect(before.verdict.clauses.map(\.subject) == [.data], "\(before.verdict.sentence)")
        #expect(before.verdict.severity == nil)
        tell(&builder, response(100, end: 9 * second, app: 1000, network: 9000))
        let after = builder.snapshot(at: 11 * second, facts: RunFacts())
        #expect(after.responses.total.p99 == 10_000)
        #expect(after.verdict.severity == nil && after.verdict.clauses.first?.subject == .calm)
        #expect(
            after.verdict.sentence.contains("p99 10.0us: 90 % of the slowest 1 is network."),
            "\(after.verdict.sentence)")
    }

    @Test("sums are over all open responses; rows are the first of the order that was asked for")
    func openRows() {
        var random = SeededGenerator(state: 11)
        var builder = SnapshotBuilder()
        let looks = (1...1500).map { cookie in
            let unsent = UInt32.random(in: 0...3_000_000, using: &random)
            return look(UInt64(cookie), at: 100 * second, wait: unsent > 0 ? Int64(unsent) * 500 : 0, unsent: unsent)
        }
        tell(&builder, looks, at: 100 * second)
        var request = SnapshotRequest()
        request.order = .unsent
        let snapshot = builder.snapshot(at: 100 * second, facts: RunFacts(), request: request)
        #expect(snapshot.totals.open == 1500)
        #expect(snapshot.totals.unsentBytes == looks.reduce(0) { $0 + Int64($1.sample.unsentBytes) })
        let largest = looks.map { Int64($0.sample.unsentBytes) }.sorted(by: >).prefix(SnapshotBuilder.mostRows)
        #expect(snapshot.open.map(\.unsentBytes) == Array(largest))
        let held = looks.count { $0.sample.oldestUnsent >= 100_000_000 }
        #expect(snapshot.totals.held.reduce(0, +) == held)
        request.filter = "/path/3"
        #expect(snapshot.openCount == 1500 && snapshot.connectionCount == 1500)
        let filtered = builder.snapshot(at: 100 * second, facts: RunFacts(), request: request)
        #expect(!filtered.open.isEmpty && filtered.open.allSatisfy { $0.request == "GET /path/3" })
        #expect(filtered.openCount == looks.count { $0.response?.target == "/path/3" })
        request = SnapshotRequest()
        request.grouping = .path
        let groups = builder.snapshot(at: 100 * second, facts: RunFacts(), request: request).groups
        #expect(groups.count == 7 && groups.reduce(0) { $0 + $1.count } == 1500)
        let worst = looks.max { $0.sample.oldestUnsent < $1.sample.oldestUnsent }
        #expect(groups.first?.worst.cookie == worst?.connection.cookie)
    }

    @Test("the verdict blames the client whose window is full, from 100 ms on")
    func clientHolds() {
        for (wait, isBlamed) in [(90_000_000, false), (110_000_000, true), (3_000_000_000, true)] as [(Int64, Bool)] {
            var builder = SnapshotBuilder()
            for at in 1...3 {
                let looks = [
                    look(1, at: Int64(at) * second), look(2, at: Int64(at) * second, wait: wait, unsent: 500_000),
                ]
                tell(&builder, looks, at: Int64(at) * second)
            }
            let verdict = builder.snapshot(at: 3 * second, facts: RunFacts()).verdict
            #expect(verdict.clauses.contains { $0.subject == .holder(.client) } == isBlamed, "\(verdict.sentence)")
            if wait > second {
                #expect(verdict.sentence.contains("1 client reads too slowly, 10.0.0.7:2 for 3.00s: 488KiB unsent."))
                #expect(verdict.severity ?? .notice >= .warning)
            }
        }
    }

    @Test("bytes that wait are an open response, also where nobody saw it begin; what is not known is not 0")
    func unseen() throws {
        for (unsent, blocked, isOpen) in [(900_000, 0, true), (0, second, true), (0, 0, false)]
            as [(UInt32, Int64, Bool)]
        {
            var builder = SnapshotBuilder()
            for at in 1...3 {
                let now = Int64(at) * second
                let stalled = look(
                    2, at: now, wait: unsent > 0 ? 5 * second : 0, unsent: unsent, blocked: blocked, isSeen: false)
                tell(&builder, [look(1, at: now), stalled], at: now)
            }
            let snapshot = builder.snapshot(at: 3 * second, facts: RunFacts())
            let socket = try #require(snapshot.connections.first { $0.connection.cookie == 2 })
            #expect(socket.isIdle != isOpen && snapshot.totals.open == (isOpen ? 2 : 1))
            guard isOpen else { continue }
            let row = try #require(snapshot.open.first)
            #expect(row.key == ResponseKey(cookie: 2, number: 0) && row.isUnseen && socket.response == row.key)
            #expect(row.begin == nil && row.duration == nil && row.flushes == nil && row.wait >= second)
            #expect(row.stage == (blocked > 0 ? .blocked : .queue) && row.holder != .nobody)
            var request = SnapshotRequest()
            request.detail = row.key
            let detail = builder.snapshot(at: 3 * second, facts: RunFacts(), request: request).detail
            #expect(detail?.response == nil && detail?.socket?.connection.cookie == 2)
        }
    }

    @Test("connections come in the order that was asked for")
    func connectionOrder() {
        var random = SeededGenerator(state: 12)
        var builder = SnapshotBuilder()
        let looks = (1...400).map {
            look(UInt64($0), at: second, wait: 1, unsent: UInt32.random(in: 1...1000, using: &random))
        }
        tell(&builder, looks, at: second)
        var request = SnapshotRequest()
        request.connectionOrder = .unsent
        let snapshot = builder.snapshot(at: second, facts: RunFacts(), request: request)
        let largest = looks.map(\.sample.unsentBytes).sorted(by: >).prefix(SnapshotBuilder.mostRows)
        #expect(snapshot.connections.map(\.sample.unsentBytes) == Array(largest))
        request.isConnectionReversed = true
        let least = builder.snapshot(at: second, facts: RunFacts(), request: request).connections
        #expect(least.first?.sample.unsentBytes == looks.map(\.sample.unsentBytes).min())
    }

    @Test("the curve is of the tasks that are counted, and so is what is open now")
    func countedCurve() throws {
        var builder = SnapshotBuilder()
        var random = SeededGenerator(state: 13)
        for number in 0..<200 {
            let tasks = Int.random(in: 100...900, using: &random)
            let app = Int64(tasks > 500 ? tasks * 100_000 : 5_000_000)
            var response = response(UInt64(number + 1), end: second + Int64(number), app: app, network: 1)
            response.tasks = TaskRange(provider: "go", begin: tasks, end: tasks, max: tasks)
            tell(&builder, response)
        }
        for at in 2...3 {
            var looked = round([look(1, at: Int64(at) * second)], at: Int64(at) * second)
            looked.samples[0].tasks = [TaskCount(provider: "go", open: 700)]
            Actions.look(looked) { builder.take($0) }
        }
        let curve = try #require(builder.snapshot(at: 3 * second, facts: RunFacts()).curve)
        #expect(curve.provider == "go" && curve.now == 700 && curve.server === server)
        #expect(curve.points.allSatisfy { $0.tasks >= 100 })
    }

    @Test("lost events are said first")
    func loss() {
        var facts = RunFacts()
        facts.loss.lost = ["flush": 1234]
        var builder = SnapshotBuilder()
        let verdict = builder.snapshot(at: second, facts: facts).verdict
        #expect(verdict.clauses.first == Verdict.Clause(.loss, "1,234 events lost: numbers are incomplete."))
    }

    @Test("flushes stand for responses where none ends, and a response's own are told")
    func flushes() {
        var builder = SnapshotBuilder()
        for number in 0..<5000 {
            var stages = StageTimes()
            (stages[.send], stages[.queue], stages[.network]) = (1000, 8000, 1000)
            let flush = Flush(
                connection: UInt64(number % 50 + 1), number: 1, server: server, port: 80,
                at: second + Int64(number) * 1_000_000, bytes: 100, writes: 1, stages: stages, total: 10_000,
                queuedBytes: 0, unsentBytes: 0)
            Actions.leave(flush) { builder.take($0) }
        }
        var request = SnapshotRequest()
        request.detail = ResponseKey(cookie: 7, number: 1)
        let snapshot = builder.snapshot(at: 7 * second, facts: RunFacts(), request: request)
        #expect(snapshot.isAboutFlushes && snapshot.flushes.count == 5000)
        #expect(snapshot.flushes.worst?.stage == .queue)
        #expect(snapshot.detail?.flushes.count == 64)
        #expect(snapshot.detail?.flushes.allSatisfy { $0.connection == 7 } ?? false)
        #expect(snapshot.detail?.flushes.last?.at == second + 4956 * 1_000_000)
        #expect(snapshot.flushHeat.columns.flatMap { $0 }.reduce(0) { $0 + Int($1) } == 5000)
    }

    @Test("a snapshot stays bounded, whatever is told")
    func bounded() {
        var builder = SnapshotBuilder()
        for at in 1...300 {
            let now = Int64(at) * second
            for number in 0..<200 {
                let cookie = UInt64(at * 1000 + number)
                tell(&builder, response(cookie, end: now, app: Int64(cookie) * 1000, network: 1))
            }
            let looks = (0..<300).map { look(UInt64(at * 1000 + $0), at: now, wait: 2 * second, unsent: 900_000) }
            tell(&builder, looks, at: now)
        }
        let snapshot = builder.snapshot(at: 301 * second, facts: RunFacts())
        #expect(
            snapshot.open.count == SnapshotBuilder.mostRows && snapshot.connections.count == SnapshotBuilder.mostRows)
        #expect(snapshot.ended.count == 50)
        #expect(snapshot.findings.count <= 400)
        #expect(
            snapshot.series.open.count == SecondRing.length && snapshot.responseHeat.columns.count == SecondRing.length)
        #expect(snapshot.totals.ended == 60_000)
        // The slowest of all, which are those of the end.
        #expect(snapshot.ended.first?.duration == Int64(300 * 1000 + 199) * 1000 + 1)
    }

    @Test("a census group's growth is told from its first count on")
    func growth() {
        var builder = SnapshotBuilder()
        tell(&builder, [look(1, at: second)], at: second)
        for (at, count) in [(1, 100), (31, 160)] as [(Int64, Int)] {
            var census = TaskCensus(pid: 42, comm: "server", wall: 0)
            var group = TaskGroup(provider: "go", count: count, state: "waiting")
            group.waitsFor = "chan send"
            census.add([group])
            builder.take(census, at: at * second)
        }
        let groups = builder.snapshot(at: 32 * second, facts: RunFacts()).tasks.groups
        #expect(groups.count == 1 && groups.first?.group.count == 160 && abs((groups.first?.growth ?? 0) - 120) < 1e-6)
    }
}
