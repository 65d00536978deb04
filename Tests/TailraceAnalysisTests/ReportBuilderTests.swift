// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// Responses as a server might give them, by a generator that gives the same ones every time.
struct ResponseSource {
    private var generator: SeededGenerator
    private var number: UInt64 = 0

    init(seed: UInt64) { generator = SeededGenerator(state: seed) }

    static let python = server(42, "python3", "/usr/bin/python3")

    static func server(_ pid: Int32, _ comm: String, _ executable: String?, cgroup: String = "/") -> Server {
        Server(pid: pid, started: Int64(pid), comm: comm, executable: executable, cgroup: cgroup)
    }

    static func endpoint(_ host: UInt8, port: UInt16) -> Endpoint {
        Endpoint(ipv4: true, bytes: (UInt64(10) | UInt64(host) << 24, 0), port: port)
    }

    mutating func next(
        by server: Server = python, port: UInt16 = 80, target: String = "/", change: (inout Response) -> Void = { _ in }
    ) -> Response {
        number += 1
        let local = Self.endpoint(1, port: port)
        let remote = Self.endpoint(UInt8.random(in: 2...9, using: &generator), port: UInt16(1000 + number % 60000))
        var response = Response(connection: Connection(cookie: number, local: local, remote: remote, established: 1))
        response.number = 1
        response.server = server
        response.state = .ended
        response.endedBy = .complete
        response.method = "GET"
        response.target = target
        response.begin = Int64(number) * 1_000_000
        for stage in Stage.allCases where stage != .driver {
            let scale = Int64(1) << Int64.random(in: 4...30, using: &generator)
            response.timeline.add(Int64.random(in: 0...scale, using: &generator), to: stage)
        }
        response.timeline[.driver] = nil
        let held = (response.timeline[.blocked] ?? 0) + (response.timeline[.queue] ?? 0)
        response.causes.peerWindow = held / 3
        response.causes.other = held - held / 3
        response.end = response.begin + response.timeline.total
        change(&response)
        return response
    }
}

private let anchor = ClockAnchor(monotonic: 0, wall: 0)

/// What a report must say, worked out from all values at once.
private struct Expectation {
    static func percentile(_ values: [Int64], _ share: Double) -> Int64 {
        values.sorted()[max(0, Int((share * Double(values.count)).rounded(.up)) - 1)]
    }

    /// Mean share of the stage in the slowest 1 %.
    static func slowShare(_ responses: [Response], _ stage: Stage) -> Double {
        let slowest = responses.sorted { $0.duration > $1.duration }.prefix((responses.count + 99) / 100)
        return slowest.map { Double($0.timeline[stage] ?? 0) / Double($0.duration) }.reduce(0, +)
            / Double(slowest.count)
    }
}

@Suite("The report's sums")
struct ReportBuilderTests {
    private func report(_ responses: [Response], flushes: [Flush] = []) -> Report {
        var builder = ReportBuilder()
        for flush in flushes { builder.add(flush) }
        for response in responses { builder.add(response, anchor: anchor) }
        return builder.report(begin: 0, duration: 1_000_000_000, loss: Loss(), unattributed: 0)
    }

    @Test(
        "percentiles are those of all values to the width of a bucket; shares and sums are exact",
        arguments: [1, 50, 2_000])
    func percentiles(count: Int) throws {
        var source = ResponseSource(seed: 11)
        let responses = (0..<count).map { _ in source.next() }
        let timeline = try #require(report(responses).servers.first?.timelines.first)
        #expect(timeline.count == Int64(count))
        for stage in Stage.allCases where stage != .driver {
            let values = responses.map { $0.timeline[stage] ?? 0 }
            let told = timeline.stages[stage.index]
            for (q, value) in [(0.5, told.p50), (0.9, told.p90), (0.99, told.p99)] {
                guard let value else { continue }
                let exact = Expectation.percentile(values, q)
                #expect(abs(Double(value - exact)) <= Double(exact) / 16 + 1, "\(stage) \(q): \(value), not \(exact)")
            }
            #expect(told.sum == values.reduce(0, +))
            #expect(told.max == values.max())
            #expect((told.p99 == nil) == (count < 100))
            #expect(abs(timeline.slow[stage] - Expectation.slowShare(responses, stage)) < 1e-9)
        }
        #expect(timeline.stages[Stage.driver.index].count == 0)
        #expect(timeline.share(of: .driver) == nil)
        #expect(timeline.slow.count == Int64((count + 99) / 100))
        #expect(timeline.slow.shortest == responses.map(\.duration).sorted(by: >)[(count + 99) / 100 - 1])
        let shares = Stage.allCases.compactMap { timeline.share(of: $0) }.reduce(0, +)
        #expect(abs(shares - 1) < 1e-9)
    }

    @Test("the ten slowest are the ten slowest, whatever the order they came in")
    func slowest() throws {
        var source = ResponseSource(seed: 12)
        let responses = (0..<500).map { _ in source.next() }
        let expected = responses.sorted { $0.duration > $1.duration }.prefix(10).map(\.id)
        for order in [responses, responses.reversed(), responses.sorted { $0.duration < $1.duration }] {
            #expect(report(order).servers.first?.slowest.map(\.id) == Array(expected))
        }
    }

    @Test("a stream that was held comes before streams that live longer and say all they have to")
    func slowestStreams() throws {
        var source = ResponseSource(seed: 15)
        let stream = { (app: Int64, queue: Int64, response: inout Response) in
            response.isStreaming = true
            (response.state, response.endedBy) = (.open, nil)
            response.timeline = StageTimes()
            response.timeline.add(app, to: .app)
            response.timeline.add(queue, to: .queue)
            response.end = response.begin + app + queue
        }
        var responses = (0..<20).map { _ in source.next { stream(60_000_000_000, 1000, &$0) } }
        responses.insert(source.next { stream(1_000_000_000, 4_000_000_000, &$0) }, at: 7)
        #expect(report(responses).servers.first?.slowest.first?.id == responses[7].id)
    }

    @Test("a response with a lost event or an unknown begin is counted, and in no percentile")
    func excluded() throws {
        var source = ResponseSource(seed: 13)
        let server = try #require(
            report([
                source.next(), source.next { $0.missesEvents = true }, source.next { $0.isAdopted = true },
                source.next { $0.isEstimated = true },
            ]).servers.first)
        #expect(server.ended == 4)
        #expect((server.excluded, server.adopted, server.estimated) == (1, 1, 1))
        #expect(server.timelines.map(\.count) == [2])
        #expect(server.targets.first?.duration.count == 2)
    }

    @Test("open responses have no duration yet, but what holds them is told")
    func open() throws {
        var source = ResponseSource(seed: 14)
        let stalled = source.next {
            $0.state = .open
            $0.endedBy = nil
            $0.timeline = StageTimes()
            $0.timeline.add(5_000_000_000, to: .blocked)
            $0.end = $0.begin + 5_000_000_000
            $0.causes = CauseTimes()
            $0.causes.peerWindow = 5_000_000_000
            $0.pressure.unsentBytesMax = 4096
        }
        let server = try #require(report([source.next(), stalled]).servers.first)
        #expect(server.ended == 1)
        #expect(server.open.count == 1)
        #expect(server.open.oldest == 5_000_000_000)
        #expect(server.timelines.first?.stages[Stage.blocked.index].max ?? 0 < 5_000_000_000)
        #expect(server.slowest.first?.id == stalled.id)
        #expect(server.peers.first?.host == stalled.connection.remote.host)
        #expect(server.peers.first?.unsentBytesMax == 4096)
    }

    @Test("plain and streaming responses share no percentile")
    func kinds() throws {
        var source = ResponseSource(seed: 15)
        let timelines = try #require(
            report([source.next(), source.next { $0.isStreaming = true }, source.next()]).servers.first?.timelines)
        #expect(timelines.map(\.isStreaming) == [false, true])
        #expect(timelines.map(\.count) == [2, 1])
    }

    @Test("workers of one program on one port are one server; another port, program or cgroup is another")
    func servers() {
        var source = ResponseSource(seed: 16)
        let worker = { ResponseSource.server($0, "nginx", "/usr/sbin/nginx", cgroup: $1) }
        let report = report([
            source.next(by: worker(1, "/a")), source.next(by: worker(2, "/a")), source.next(by: worker(3, "/b")),
            source.next(by: worker(1, "/a"), port: 81), source.next(), source.next(by: worker(2, "/a")),
        ])
        #expect(report.servers.map(\.ended) == [3, 1, 1, 1])
        #expect(report.servers.first?.pids == [1, 2])
    }

    @Test("servers beyond the limit are counted")
    func manyServers() {
        var source = ResponseSource(seed: 17)
        let responses = (1...100).map { source.next(port: UInt16($0)) }
        let report = report(responses)
        #expect(report.servers.count == 64)
        #expect(report.otherResponses == 36)
    }

    @Test("times that only a forged recording has do not overflow a sum")
    func forged() throws {
        var source = ResponseSource(seed: 19)
        let huge: Int64 = 1 << 61
        let forge = { (response: inout Response) in
            response.begin = 0
            response.end = huge
            for stage in Stage.allCases { response.timeline[stage] = huge }
            for cause in WaitCause.allCases { response.causes[cause] = huge / 4 }
            response.delivery.queue.add(huge, times: 1 << 32)
            response.ackDelay = huge
            response.responseBytes = huge
            response.flushes = huge
            response.status = 99_999
        }
        let responses = (0..<20).map { number in
            source.next {
                forge(&$0)
                if number > 10 { $0.state = .open }
            }
        }
        var stages = StageTimes()
        stages[.queue] = huge
        let flushes = (0..<20).map {
            Flush(
                connection: 5, number: 1, server: ResponseSource.python, port: 80, at: Int64($0), bytes: huge,
                writes: 1 << 32, stages: stages, total: huge, queuedBytes: 1 << 32, unsentBytes: 1 << 32)
        }
        let server = try #require(report(responses, flushes: flushes).servers.first)
        #expect(server.ended + server.open.count == 20)
        #expect(server.peers.allSatisfy { $0.held > 0 })
        #expect(server.queue.allSatisfy { ($0.predictedWait ?? 0) >= 0 })
    }

    @Test("two runs of the same responses give the same report")
    func deterministic() throws {
        var source = ResponseSource(seed: 18)
        let responses = (0..<5_000).map { source.next(target: "/t\($0 % 700 == 0 ? 0 : $0)") }
        let told = (0..<2).map { _ in
            report(responses).servers.flatMap { server in
                server.targets.map { "\($0.name ?? "") \($0.duration.count)" }
                    + server.peers.map { "\($0.host?.address ?? "") \($0.held)" } + server.slowest.map(\.id)
            }
        }
        #expect(told[0] == told[1])
        #expect(told[0].count == 28)
    }
}

@Suite("Lists in bounded memory")
struct HeaviestTests {
    @Test("frequent targets stay, rare ones are counted together, none is lost")
    func targets() throws {
        var source = ResponseSource(seed: 21)
        var builder = ReportBuilder()
        var expected: [Int64] = Array(repeating: 0, count: 12)
        for index in 0..<20_000 {
            // A target in a hundred is one of twelve, the others come once: x keeps their name from being a number.
            let known = index % 100 < 12
            if known { expected[index % 100] += 1 }
            builder.add(source.next(target: known ? "/known\(index % 100)" : "/once\(index)x"), anchor: anchor)
        }
        let server = try #require(
            builder.report(begin: 0, duration: 1, loss: Loss(), unattributed: 0).servers.first)
        #expect(server.targets.count == 10)
        #expect(server.targets.allSatisfy { $0.name?.hasPrefix("GET /known") ?? false && $0.duration.count == 200 })
        let others = try #require(server.otherTargets)
        #expect(others.name == nil)
        #expect(others.duration.count == 18_000)
    }

    @Test("the heap holds the largest", arguments: [1, 9, 10, 11, 1_000])
    func largest(count: Int) {
        var generator = SeededGenerator(state: UInt64(count))
        let values = (0..<count).map { _ in Int.random(in: 0..<500, using: &generator) }
        var largest = Largest<Int>(capacity: 10)
        for value in values { largest.add(value) }
        #expect(largest.sorted == Array(values.sorted(by: >).prefix(10)))
    }

    @Test(
        "what changes from request to request is taken out of a target",
        arguments: [
            ("/users/17", "GET /users/{n}"), ("/users/17/", "GET /users/{n}/"), ("/v1/chat", "GET /v1/chat"),
            ("/a/3f2504e0-4f89-11d3-9a0c-0305e82c3301", "GET /a/{id}"), ("/cafe", "GET /cafe"), ("/", "GET /"),
            ("/deadbeefdeadbeef/x2", "GET /{id}/x2"), ("/bee1", "GET /bee1"),
        ])
    func groups(target: String, name: String) {
        #expect(TargetGroup.name(method: "GET", target: target) == name)
    }

    @Test("no target, no method")
    func unknownTarget() {
        #expect(TargetGroup.name(method: nil, target: nil) == "-")
        #expect(TargetGroup.name(method: nil, target: "/1") == "/{n}")
    }
}
