// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// What tests of series share: responses, flushes and looks made by hand.
struct MetricsStory {
    static let second: Int64 = 1_000_000_000
    var builder = MetricsBuilder()
    var watch = Watch()
    var now: Nanoseconds = 0

    static func server(_ comm: String, pid: Int32 = 42, cgroup: String? = "/system.slice/web.service") -> Server {
        Server(pid: pid, started: Int64(pid), comm: comm, executable: "/usr/bin/\(comm)", cgroup: cgroup)
    }

    static func connection(_ cookie: UInt64, port: UInt16 = 80) -> Connection {
        let local = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: port)
        let remote = Endpoint(ipv4: true, bytes: (0x0700_000a, 0), port: UInt16(truncatingIfNeeded: cookie))
        return Connection(cookie: cookie, local: local, remote: remote, established: 1)
    }

    static func response(_ cookie: UInt64, _ server: Server, port: UInt16 = 80, end: Nanoseconds, app: Int64)
        -> Response
    {
        var response = Response(connection: connection(cookie, port: port))
        (response.number, response.state, response.endedBy, response.server) = (1, .ended, .complete, server)
        (response.status, response.timeline[.app], response.begin, response.end) = (200, app, end - app, end)
        return response
    }

    mutating func tell(_ response: Response) {
        var response = response
        Actions.end(&response) { actions in builder.take(actions, told: watch.take(actions)) }
    }

    mutating func tell(_ flush: Flush) {
        Actions.leave(flush) { actions in builder.take(actions, told: watch.take(actions)) }
    }

    /// All sockets are looked at; one unsent byte of each waits for as long as `waits` says.
    mutating func look(_ servers: [Server], connections: Int = 1, waits: Int64 = 0, unsent: UInt32 = 7, at: Nanoseconds)
    {
        now = at
        var looks: [ConnectionLook] = []
        var samples: [ServerSample] = []
        var holds: [Hold] = []
        for server in servers {
            var sample = ServerSample(server: server, at: at)
            for number in 0..<connections {
                let cookie = UInt64(server.pid) * 1000 + UInt64(number)
                var socket = SocketSample()
                (socket.socket, socket.at, socket.oldestUnsent) = (cookie, at, waits)
                (socket.unsentBytes, socket.queuedBytes, socket.unackedBytes) = (waits > 0 ? unsent : 0, 11, 3)
                (socket.peerWindow, socket.rwndLimited) = waits > 0 ? (0, at) : (1 << 20, 0)
                socket.congestionWindow = 100
                var response = LookedResponse()
                (response.number, response.begin) = (1, max(1, at - 5 * Self.second))
                looks.append(
                    ConnectionLook(
                        connection: Self.connection(cookie), server: server, sample: socket, acknowledged: 1,
                        clientFin: nil, response: response))
                sample.add(socket)
                if waits > 0 {
                    holds.append(
                        Hold(connection: cookie, pid: server.pid, begin: at - waits, end: at, cause: .peerWindow))
                }
            }
            sample.inFlight = connections
            sample.tasks = [TaskCount(provider: "go", open: 5), TaskCount(provider: "threads", open: nil)]
            samples.append(sample)
        }
        let round = RoundLook(begin: at - 1, at: at, connections: looks, holds: holds, samples: samples)
        Actions.look(round) { actions in builder.take(actions, told: watch.take(actions)) }
    }

    mutating func metrics() -> MetricSet { builder.metrics(at: now, facts: RunFacts()) }
}

extension MetricSet {
    func series(_ metric: Metric, _ labels: [MetricLabel.Key: String]) -> [MetricSeries] {
        self[metric].filter { series in
            labels.allSatisfy { key, value in series.labels.contains { $0.key == key && $0.value == value } }
        }
    }

    /// Sum over the series with these labels.
    func sum(_ metric: Metric, _ labels: [MetricLabel.Key: String] = [:]) -> Double {
        series(metric, labels).reduce(0) { sum, series in
            switch series.point {
            case .counter(let number), .gauge(let number): sum + number.value
            case .histogram(let point): sum + Double(point.count)
            case .info: sum
            }
        }
    }

    func histogram(_ metric: Metric, _ labels: [MetricLabel.Key: String]) -> HistogramPoint? {
        guard case .histogram(let point) = series(metric, labels).first?.point else { return nil }
        return point
    }

    /// Each counter, and each count of a bucket, by what its series is.
    var counters: [String: Int64] {
        var told: [String: Int64] = [:]
        for family in families {
            for series in family.series {
                let key = family.metric.name + "\(series.labels.map { "\($0.key.rawValue)=\($0.value)" })"
                switch series.point {
                case .counter(.integer(let value)), .counter(.nanoseconds(let value)): told[key] = value
                case .histogram(let point):
                    told[key] = point.sum
                    for (bucket, count) in point.counts.enumerated() { told["\(key)\(bucket)"] = count }
                default: break
                }
            }
        }
        return told
    }
}

@Suite("Metrics")
struct MetricsBuilderTests {
    private let second = MetricsStory.second

    /// A value of any size, from nothing to hours.
    private func time(_ random: inout SeededGenerator) -> Int64 {
        Int64.random(in: 0...(Int64(1) << Int64.random(in: 1...44, using: &random)), using: &random)
    }

    @Test("distributions and totals are those of a plain count over all responses")
    func responses() throws {
        var random = SeededGenerator(state: 3)
        var story = MetricsStory()
        let server = MetricsStory.server("web")
        var plain: [Response] = []
        var all: [Response] = []
        for number in 1...5000 {
            var response = MetricsStory.response(UInt64(number), server, end: 1, app: 0)
            response.timeline = StageTimes()
            for stage in Stage.allCases { response.timeline[stage] = time(&random) / 10 }
            if Bool.random(using: &random) { response.timeline[.driver] = nil }
            response.begin = Int64(number) * second
            response.end = response.begin + response.timeline.total
            response.status = [nil, 101, 200, 206, 304, 404, 500, 999].randomElement(using: &random) ?? nil
            response.endedBy = Ending.allCases.randomElement(using: &random)
            response.isStreaming = Int.random(in: 0..<5, using: &random) == 0
            response.missesEvents = Int.random(in: 0..<7, using: &random) == 0
            response.isEstimated = response.missesEvents || Int.random(in: 0..<7, using: &random) == 0
            response.isAdopted = Int.random(in: 0..<9, using: &random) == 0
            response.causes.peerWindow = time(&random)
            response.responseBytes = time(&random)
            story.tell(response)
            all.append(response)
            let counts = !response.missesEvents && !response.isAdopted
            if counts, !response.isStreaming { plain.append(response) }
        }
        let set = story.metrics()
        for stage in Stage.allCases {
            let times = plain.compactMap { $0.timeline[stage] }
            let point = try #require(set.histogram(.responseStage, [.stage: stage.rawValue]))
            #expect(point.sum == times.reduce(0, +) && point.count == Int64(times.count), "\(stage)")
            for (bucket, count) in point.counts.enumerated() {
                let low = bucket == 0 ? -1 : MetricBounds.nanoseconds[bucket - 1]
                let high = bucket < MetricBounds.nanoseconds.count ? MetricBounds.nanoseconds[bucket] : .max
                #expect(count == Int64(times.count { $0 > low && $0 <= high }), "\(stage) \(bucket)")
            }
        }
        let told = try #require(set.histogram(.responseDuration, [.streaming: "false"]))
        #expect(told.sum == plain.reduce(0) { $0 + $1.duration } && told.count == Int64(plain.count))
        // The newest one of each bucket.
        for exemplar in told.exemplars {
            let inside = plain.filter { MetricBounds.bucket(of: $0.duration) == exemplar.bucket }
            #expect(inside.last?.id == exemplar.response && inside.last?.duration == exemplar.value)
        }
        #expect(told.exemplars.count == told.counts.dropFirst().count { $0 > 0 })
        for ending in Ending.allCases {
            for (name, range) in [("2xx", 200..<300), ("4xx", 400..<500), ("none", 0..<1)] {
                let expected = all.count {
                    let status = $0.status ?? 0
                    return $0.endedBy == ending && range.contains((100..<600).contains(status) ? status : 0)
                }
                #expect(Int(set.sum(.responses, [.endedBy: ending.rawValue, .status: name])) == expected)
            }
        }
        let streams = set.sum(.responseDuration, [.streaming: "true"])
        #expect(set.sum(.responses) == 5000)
        #expect(Double(plain.count) + streams + set.sum(.responsesLeftOut) == 5000)
        #expect(Int(set.sum(.responsesEstimated)) == all.count(where: \.isEstimated))
        let known = all.filter { !$0.missesEvents }
        let held = known.reduce(Int64(0)) { $0 + $1.causes.peerWindow }
        #expect(
            set.counters.first { $0.key.contains("response_held") && $0.key.contains("peer_window") }?.value == held)
    }

    @Test("flushes count with their gaps and stages, and not after a loss")
    func flushes() throws {
        var random = SeededGenerator(state: 8)
        var story = MetricsStory()
        let server = MetricsStory.server("web")
        var expected: (gaps: [Int64], delivery: [Int64], writes: Int64, leftOut: Int64) = ([], [], 0, 0)
        for number in 1...3000 {
            var stages = StageTimes()
            stages[.queue] = time(&random) / 8
            let writes = Int64.random(in: 1...3, using: &random)
            let total = Int.random(in: 0..<6, using: &random) == 0 ? nil : time(&random)
            var flush = Flush(
                connection: 9, number: number, server: server, port: 80, at: Int64(number) * second, bytes: 10,
                writes: writes, stages: stages, total: total, queuedBytes: 0, unsentBytes: 0)
            flush.gapSent = Bool.random(using: &random) ? time(&random) : nil
            flush.missesEvents = Int.random(in: 0..<6, using: &random) == 0
            story.tell(flush)
            expected.writes += writes
            if flush.missesEvents || total == nil { expected.leftOut += writes }
            if let gap = flush.gapSent, !flush.missesEvents { expected.gaps.append(gap) }
            if let total, !flush.missesEvents { for _ in 0..<writes { expected.delivery.append(total) } }
        }
        let set = story.metrics()
        let gaps = try #require(set.histogram(.flushGap, [.mark: "sent"]))
        #expect(gaps.count == Int64(expected.gaps.count) && gaps.sum == expected.gaps.reduce(0, +))
        let delivery = try #require(set.histogram(.flushDelivery, [:]))
        #expect(delivery.count == Int64(expected.delivery.count) && delivery.sum == expected.delivery.reduce(0, +))
        #expect(set.histogram(.flushStage, [.stage: "queue"])?.count == delivery.count)
        #expect(Int64(set.sum(.flushes)) == expected.writes && set.sum(.flushBytes) == 30_000)
        #expect(Int64(set.sum(.flushesLeftOut)) == expected.leftOut)
    }

    @Test("of 10,000 servers 200 have series, and every response is counted")
    func cardinality() {
        var random = SeededGenerator(state: 4)
        var story = MetricsStory()
        var most = 0
        for number in 1...10_000 {
            let name = String(UInt64.random(in: 0 ... .max, using: &random), radix: 36)
            let server = MetricsStory.server(name, pid: Int32(number), cgroup: "/kubepods/\(name)")
            story.tell(MetricsStory.response(UInt64(number), server, end: Int64(number) * 1000, app: 5_000_000))
            guard number % 500 == 0 else { continue }
            story.look([server], at: Int64(number) * 1000)
            let set = story.metrics()
            let names = Set(set[.responses].map { $0.labels.prefix(3).map(\.value) })
            #expect(names.count <= MetricsBuilder.mostServers, "\(names.count) servers have series")
            most = max(most, set.families.reduce(0) { $0 + $1.series.count })
            #expect(set.sum(.responses) == Double(number))
        }
        let set = story.metrics()
        #expect(set.sum(.namedServers) == Double(MetricsBuilder.mostServers - 1))
        #expect(set.sum(.unnamedResponses) == set.sum(.responses, [.comm: "other"]))
        #expect(set.sum(.unnamedResponses) == Double(10_000 - MetricsBuilder.mostServers + 1))
        let last = set.families.reduce(0) { $0 + $1.series.count }
        #expect(last == most && story.builder.kept.allSatisfy { $0 <= 1500 }, "\(story.builder.kept)")
    }

    @Test("no counter falls, also where servers that are gone make room; none of their responses is forgotten")
    func eviction() {
        var random = SeededGenerator(state: 12)
        var story = MetricsStory()
        var before: [String: Int64] = [:]
        var total = 0.0
        var wasEvicted = false
        for round in 1...260 {
            let at = Int64(round) * 30 * second
            // New ones come all the time, and live for a while.
            let servers = (0..<12).map { place in
                let number = Int32(round / 8 * 12 + place)
                return MetricsStory.server("s\(number)", pid: 1000 + number)
            }
            for server in servers {
                let count = Int.random(in: 0..<3, using: &random)
                for number in 0..<count {
                    let cookie = UInt64(server.pid) * 1000 + UInt64(number)
                    story.tell(MetricsStory.response(cookie, server, end: at - 1, app: time(&random)))
                    total += 1
                }
            }
            story.look(servers, waits: round % 3 == 0 ? 900_000_000 : 0, at: at)
            guard round % 10 == 0 else { continue }
            let set = story.metrics()
            let after = set.counters
            for (key, value) in before { if let now = after[key] { #expect(now >= value, "\(key) fell") } }
            #expect(set.sum(.responses) + set.sum(.evictedResponses) == total)
            #expect(set[.responses].count > 0 && set.sum(.namedServers) < Double(MetricsBuilder.mostServers))
            wasEvicted = wasEvicted || set.sum(.evictedServers) > 0
            before = after
        }
        #expect(wasEvicted)
    }

    @Test("who comes back finds no series of another in its place")
    func comingBack() {
        for number in 0..<50 {
            var story = MetricsStory()
            let old = MetricsStory.server("old\(number)", pid: 1)
            let others = (0..<Int32(3)).map { MetricsStory.server("new\($0)", pid: 2 + $0) }
            story.tell(MetricsStory.response(1, old, end: second, app: 1))
            story.look([old], at: second)
            story.look([], at: 2 * second)
            story.look([], at: 7200 * second)
            #expect(story.metrics().sum(.evictedServers) == 1)
            for server in others { story.tell(MetricsStory.response(2, server, end: 7201 * second, app: 1)) }
            story.tell(MetricsStory.response(3, old, end: 7202 * second, app: 1))
            let set = story.metrics()
            for server in others + [old] { #expect(set.sum(.responses, [.comm: server.comm]) == 1, "\(server.comm)") }
        }
    }

    @Test("what is so now is the newest look's, and pressure the sum over processes")
    func gauges() {
        var story = MetricsStory()
        let servers = [MetricsStory.server("web", pid: 7), MetricsStory.server("web", pid: 8)]
        for step in 1...30 { story.look(servers, connections: 3, waits: 900_000_000, at: Int64(step) * second) }
        let set = story.metrics()
        #expect(set.sum(.connections) == 6 && set.sum(.openResponses) == 6 && set.sum(.inFlight) == 6)
        #expect(set.sum(.unsentBytes) == 42 && set.sum(.queuedBytes) == 66 && set.sum(.unackedBytes) == 18)
        #expect(set.sum(.processes) == 2 && set.sum(.openTasks, [.provider: "go"]) == 10)
        #expect(set.series(.openTasks, [.provider: "threads"]).isEmpty, "what is not known is not 0")
        #expect(set.sum(.oldestUnsent) == 0.9 && set.sum(.oldestOpenResponse) == 5)
        let told = story.watch.insights().map { Double($0.pressure.all.some.total) / 1e9 }.reduce(0, +)
        let some = set.sum(.pressure, [.kind: "some"])
        // Their watch tells what is a second old.
        #expect(some > 20 && told - some >= 0 && told - some < 5, "\(some) of \(told)")
        #expect(set.sum(.causePressure, [.kind: "some", .cause: "peer_window"]) == some)
        story.look([], at: 31 * second)
        let after = story.metrics()
        #expect(after.sum(.connections) == 0 && after.sum(.processes) == 0 && after.sum(.openResponses) == 0)
        #expect(after[.connections].count == 1 && after.sum(.pressure, [.kind: "some"]) == some)
    }

    @Test("findings count where they opened, and are open until they close")
    func findings() {
        var story = MetricsStory()
        var opened = 0.0
        var most = 0.0
        let server = MetricsStory.server("web")
        for step in 1...60 {
            story.look(
                [server], connections: 40, waits: step < 30 ? Int64(step) * second : 0, unsent: 4 << 20,
                at: Int64(step) * second)
            let set = story.metrics()
            #expect(set.sum(.openFindings) == Double(story.watch.open.count))
            #expect(set.sum(.findingsOpened) >= opened)
            opened = set.sum(.findingsOpened)
            most = max(most, set.sum(.openFindings))
        }
        #expect(most > 0 && opened >= most && story.metrics().sum(.openFindings) == 0)
        #expect(story.metrics()[.findingsOpened].count == Anomaly.allCases.count * Severity.allCases.count)
    }

    @Test("names that are shown alike are one, and no series is told twice")
    func names() {
        var story = MetricsStory()
        let names = [
            "\u{1b}", "\\u{1b}", "a\"b\n", "other", "", "é", "e\u{301}", String(repeating: "\u{202e}", count: 15),
        ]
        let cgroups: [String?] = [
            nil, "", "/", "<77>", "/other", "/x/\u{1b}", "/x/\\u{1b}", "/\(String(repeating: "\u{7}", count: 300))a",
            "/\(String(repeating: "\u{7}", count: 300))b",
            "/k/cri-containerd-\(String(repeating: "0a", count: 32)).scope",
        ]
        var pid: Int32 = 0
        var told = 0.0
        for name in names {
            for cgroup in cgroups {
                pid += 1
                let server = MetricsStory.server(name, pid: pid, cgroup: cgroup)
                story.tell(MetricsStory.response(UInt64(pid), server, end: second, app: 1))
                told += 1
            }
        }
        story.tell(MetricsStory.response(99_999, MetricsStory.server("x", cgroup: nil), port: 0, end: second, app: 1))
        let set = story.metrics()
        for family in set.families {
            let shown = family.series.map { $0.labels.map { Sanitizer.visible($0.value) } }
            #expect(Set(shown).count == shown.count, "\(family.metric.name)")
        }
        #expect(set.sum(.responses) == told + 1)
        let short = set[.responses].contains { $0.labels.contains { $0.value == "cri-containerd-0a0a0a0a0a0a" } }
        #expect(short)
    }
}
