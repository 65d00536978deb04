// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// Windows made by hand: what is found in them, and when it opens and closes.
struct FindingTests {
    private let second: Int64 = 1_000_000_000
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    private func round(_ at: Int64, _ looks: [ConnectionLook], inFlight: Int = 0) -> (ServerSample, [ConnectionLook]) {
        var sample = ServerSample(server: server, at: at * second)
        for look in looks { sample.add(look.sample) }
        sample.inFlight = inFlight
        return (sample, looks)
    }

    private func look(
        _ cookie: UInt64, at: Int64, response: LookedResponse? = nil, fin: Int64? = nil,
        _ change: (inout SocketSample) -> Void = { _ in }
    ) -> ConnectionLook {
        let local = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: 80)
        let remote = Endpoint(ipv4: true, bytes: (0x0700_000a, 0), port: UInt16(cookie))
        var sample = SocketSample()
        sample.socket = cookie
        sample.at = at * second
        sample.congestionWindow = 100
        sample.peerWindow = 1 << 20
        change(&sample)
        return ConnectionLook(
            connection: Connection(cookie: cookie, local: local, remote: remote, established: 1), server: server,
            sample: sample, acknowledged: UInt32(at) &* 1000, clientFin: fin.map { $0 * second }, response: response)
    }

    private func slow(_ cookie: UInt64, at: Int64) -> ConnectionLook {
        look(cookie, at: at, response: LookedResponse()) {
            $0.unsentBytes = 200_000
            $0.queuedBytes = 300_000
            $0.oldestUnsent = 3 * second
            $0.rwndLimited = at * second
        }
    }

    @Test("what is open of a process whose number is another one's now is closed")
    func anotherProcess() {
        var watch = Watch()
        var states: [Finding.State] = []
        for at in 2...20 {
            let isSecond = at > 10
            let owner = isSecond ? Server(pid: 42, started: 2, comm: "other", executable: nil, cgroup: nil) : server
            let looks = isSecond ? [] : [slow(2, at: Int64(at))]
            let look = RoundLook(
                begin: Int64(at) * second - 1, at: Int64(at) * second, connections: looks, holds: [],
                samples: [ServerSample(server: owner, at: Int64(at) * second)])
            states += watch.take(look).findings.filter { $0.anomaly == .slowConsumer }.map(\.state)
        }
        #expect(states.first == .opened && states.last == .closed && watch.open.isEmpty)
    }

    private func watch() -> ServerWatch { ServerWatch(server: server, at: second, limits: Thresholds()) }

    @Test("a slow consumer opens at once, is told again seldom, and closes when it is over for three looks, once")
    func slowConsumer() throws {
        var watch = watch()
        var told: [(Int64, Finding)] = []
        for at in 2...60 {
            let at = Int64(at)
            let looks = [look(1, at: at), (10...40).contains(at) ? slow(2, at: at) : look(2, at: at)]
            let (sample, all) = round(at, looks)
            var findings: [Finding] = []
            watch.take(all, sample, to: &findings)
            told += findings.map { (at, $0) }
        }
        let found = told.filter { $0.1.anomaly == .slowConsumer }
        let times = found.map(\.0)
        #expect(times.first == 10 && times.last == 43 && times.count <= 6, "\(times)")
        #expect(zip(times.dropFirst(), times).dropLast().allSatisfy { $0 - $1 >= 10 }, "\(times)")
        #expect(found.first?.1.state == .opened && found.last?.1.state == .closed)
        #expect(Set(found.map(\.1.id)).count == 1)
        let first = try #require(found.first?.1)
        #expect(first.begin == 7 * second && first.severity == .warning && first.connection?.cookie == 2)
        #expect(first.evidence.contains(Evidence("unsent_share", .share(1))))
        #expect(first.summary.contains("1 of 2 connections holds 100 % of the 200 KB unsent"), "\(first.summary)")
        #expect(found.last?.1.end == 40 * second)
        #expect(Set(told.map(\.1.anomaly)) == [.slowConsumer, .queuePressure])
    }

    @Test("a finding that holds twice as many is told at once, and ranks before one that holds fewer for as long")
    func growth() {
        var watch = watch()
        var list = FindingList()
        var told: [Int64] = []
        for at in 2...16 {
            let at = Int64(at)
            let slow = at < 5 ? 1 : at < 8 ? 2 : 7
            let looks = (1...20).map { $0 <= slow ? self.slow(UInt64($0), at: at) : look(UInt64($0), at: at) }
            let (sample, all) = round(at, looks)
            var findings: [Finding] = []
            watch.take(all, sample, to: &findings)
            list.add(findings)
            told += findings.filter { $0.anomaly == .slowConsumer && $0.held > 1 }.map { _ in at }
        }
        #expect(told == [5, 8], "\(told)")
        let sorted = list.sorted(open: watch.book.open)
        #expect(sorted.first?.held == 7, "\(sorted.map(\.held))")
    }

    @Test("what swings around its threshold neither opens again and again nor closes")
    func hysteresis() {
        var watch = watch()
        var states: [Finding.State] = []
        for at in 2...80 {
            let at = Int64(at)
            let looks = [
                look(1, at: at, response: LookedResponse()) {
                    $0.unsentBytes = 100_000
                    // Above the threshold of a second and below it in turn, then below it for long: never below half of it.
                    $0.oldestUnsent = at % 2 == 0 && at < 40 ? 1_300_000_000 : 700_000_000
                    $0.rwndLimited = at * second
                }
            ]
            let (sample, all) = round(at, looks)
            var findings: [Finding] = []
            watch.take(all, sample, to: &findings)
            states += findings.filter { $0.anomaly == .slowConsumer }.map(\.state)
        }
        #expect(states.first == .opened && states.filter { $0 == .opened }.count == 1 && !states.contains(.closed))
    }

    @Test("many bytes queued that move are a notice, and nothing else")
    func queuedAlone() {
        var watch = watch()
        var findings: [Finding] = []
        for at in 2...10 {
            let looks = [
                look(1, at: Int64(at), response: LookedResponse()) {
                    $0.queuedBytes = 900_000
                    $0.unackedBytes = 400_000
                }
            ]
            let (sample, all) = round(Int64(at), looks)
            watch.take(all, sample, to: &findings)
        }
        #expect(findings.map(\.anomaly) == [.queuePressure] && findings.map(\.severity) == [.notice])
    }

    @Test("a leak of tasks is found, and idle connections, a ramp of clients and noise are none", arguments: 0..<4)
    func leaks(kind: Int) {
        var watch = watch()
        var random = SeededGenerator(state: 7)
        var opened: [Int64] = []
        for at in 2...90 {
            let at = Int64(at)
            let clients = kind == 1 ? Int(at) : 20
            let looks = (1...clients).map { look(UInt64($0), at: at) }
            var (sample, all) = round(at, looks, inFlight: Int.random(in: 0...8, using: &random))
            var findings: [Finding] = []
            var tasks = 10 + 2 * clients + 2 * sample.inFlight + Int.random(in: 0...3, using: &random)
            if kind == 0 { tasks += Int(at) / 2 }
            if kind == 3 { tasks += Int.random(in: 0...40, using: &random) }
            sample.tasks = [TaskCount(provider: "go", open: tasks)]
            sample.growing = "chan send at main.go:41"
            watch.take(all, sample, to: &findings)
            opened += findings.filter { $0.anomaly == .taskLeak && $0.state == .opened }.map { _ in at }
        }
        #expect(opened.isEmpty == (kind != 0), "kind \(kind): \(opened)")
        if let first = opened.first { #expect(first < 60) }
    }

    @Test(
        "clients that closed are orphans after the grace, and not before; a half that is closed and still read is none")
    func orphans() {
        for (at, isReading, isFound) in [(6, false, false), (9, false, true), (9, true, false)] {
            var watch = watch()
            var response = LookedResponse()
            response.acked = isReading ? Int64(at) * second - 1 : 4 * second
            let (sample, all) = round(Int64(at), [look(1, at: Int64(at), response: response, fin: 5)])
            var findings: [Finding] = []
            watch.take(all, sample, to: &findings)
            #expect(findings.contains { $0.anomaly == .orphanedTasks } == isFound, "\(at) \(isReading)")
        }
    }

    @Test("every threshold is understood as it is printed, and what is none is refused")
    func thresholds() throws {
        for threshold in Threshold.all {
            var limits = Thresholds()
            try limits.set("\(threshold.id)=\(threshold.standardText)")
            #expect(limits[threshold] == threshold.standard, "\(threshold.id)=\(threshold.standardText)")
        }
        #expect(Set(Threshold.all.map(\.id)).count == Threshold.all.count)
        var limits = Thresholds()
        for text in [
            "slow-consumer.age", "slow-consumer.age=2", "slow-consumer.nothing=1", "=", "slow-consumer.share=2",
        ] {
            #expect(throws: ThresholdError.self) { try limits.set(text) }
        }
        try limits.set(lines: "# remarks\n\n slow-consumer.age = 250ms # and here\nqueue-pressure.unsent=1MiB")
        #expect(limits.whole(.slowAge) == 250_000_000 && limits.whole(.pressureUnsent) == 1 << 20)
        #expect(throws: ThresholdError.self) { try limits.set(lines: "slow-consumer.age=1s\nnonsense") }
    }

    @Test("numbers in sentences have three digits and a unit")
    func phrases() {
        #expect(Phrase.bytes(999) == "999 B" && Phrase.bytes(11_234_567) == "11.2 MB" && Phrase.bytes(1000) == "1 KB")
        #expect(Phrase.duration(1_050_000_000) == "1.05 s" && Phrase.duration(85_000) == "85 us")
        #expect(Phrase.digits(0.5) == "0.5" && Phrase.digits(-1.25) == "-1.25" && Phrase.digits(.nan) == "-")
        #expect(Phrase.rate(12_345) == "12.3 KB/s" && Phrase.percent(0.916) == "92 %")
    }

    @Test("servers that come and go leave nothing behind beyond the bound")
    func bounded() {
        var watch = Watch()
        for pid in 1...2000 {
            let server = Server(pid: Int32(pid), started: 1, comm: "s", executable: nil, cgroup: nil)
            let sample = ServerSample(server: server, at: Int64(pid) * second)
            _ = watch.take(
                RoundLook(begin: sample.at, at: sample.at, connections: [], holds: [], samples: [sample]))
        }
        #expect(watch.watched <= Watch.mostServers)
    }
}
