// SPDX-License-Identifier: MIT
import Foundation
import TailraceModel
import Testing

@testable import TailraceOutput

/// A server whose reports hold everything that can be told.
private func fullServer(count: Int64 = 150, comm: String = "server") -> ServerReport {
    var server = ServerReport(port: 65535)
    server.comm = comm
    server.executable = "/opt/" + comm
    server.cgroup = "/system.slice/" + comm
    server.pids = [1, 2_000_000, 4_000_000, 4_100_000, 4_194_303]
    server.processes = 5
    let remote = Endpoint(ipv4: false, bytes: (0x1111_2222_3333_4444, 0x5555_6666_7777_8888), port: 65535)
    server.timelines = [false, true].map { isStreaming in
        var timeline = TimelineReport(isStreaming: isStreaming)
        timeline.count = count
        timeline.duration.add(123_456_789, times: count)
        for stage in Stage.allCases { timeline.stages[stage.index].add(13_717_421, times: count) }
        timeline.slow.count = (count + 99) / 100
        timeline.slow.of = count
        timeline.slow.shortest = 123_456_789
        timeline.slow.shares[Stage.blocked.index] = 1
        timeline.slow.causes.peerWindow = 1
        timeline.slow.worstPeer = remote
        timeline.slow.worstPeerShare = 0.5
        return timeline
    }
    server.open.count = 1234
    server.open.oldest = 95_000_000_000
    server.open.times.add(1, to: .queue)
    server.open.causes.qdisc = 5
    server.open.unsentBytesMax = 99 << 20
    server.paces = [false, true].map { isStreaming in
        var pace = PaceReport(isStreaming: isStreaming)
        pace.timeToFirstFlush.add(123_456, times: 100_000_000)
        pace.gapSent.add(123_456, times: 100_000_000)
        pace.gapAcked.add(123_456, times: 100_000_000)
        return pace
    }
    server.delivery.total.add(123_456, times: 100_000_000)
    server.causes.congestionWindow = 123_456_789
    server.endings = [EndingCount(ending: .clientReset, count: 5)]
    server.statuses = [StatusCount(hundreds: 4, count: 7)]
    var row = QueueRow(upTo: nil)
    row.flushes = 100_000_000
    row.wait = 1_234_567 * row.flushes
    row.unsent = 123_456 * row.flushes
    row.drainedBytes = 123_456_789
    row.drainTime = 1_234_567_890
    server.queue = [row]
    var response = Response(connection: Connection(cookie: 1, local: remote, remote: remote, established: 0))
    response.method = "DELETE"
    response.target = "/" + String(repeating: comm, count: 30)
    response.end = 123_456_789_000
    response.timeline.add(response.duration, to: .queue)
    response.causes.congestionWindow = response.duration
    response.endedBy = .clientReset
    server.slowest = [ToldResponse(response, anchor: ClockAnchor(monotonic: 0, wall: 0))]
    var peer = PeerReport(host: remote.host)
    peer.responses = 1_000_000
    peer.held = 123_456_789_000
    peer.causes.congestionWindow = 1
    peer.unsentBytesMax = 123_456_789
    peer.worst = remote
    peer.worstHeld = 123_456_789_000
    server.peers = [peer]
    server.otherPeers = peer
    var target = TargetReport(name: "GET /" + String(repeating: comm, count: 30))
    target.duration.add(123_456_789, times: 1_000_000)
    target.times.add(123_456_789, to: .network)
    server.targets = [target]
    server.otherTargets = target
    return server
}

private let run = RunDescription(
    version: "0", host: "h", kernel: "k", backend: "tracepoint", anchor: ClockAnchor(monotonic: 0, wall: 0))

private func report(_ servers: [ServerReport]) -> Report {
    var report = Report(begin: 0, duration: 1_000_000_000)
    report.servers = servers
    return report
}

@Suite("The report for people")
struct ReportTextTests {
    @Test("no line is wider than the terminal, whatever the names", arguments: [80, 100, 132, 200])
    func widths(width: Int) {
        let text = ReportText(run: run, width: width).text(report([fullServer(comm: "\u{1b}]0;x\u{7}a\nb")]))
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            #expect(line.count <= width, "\(line)")
            #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f..<0xa0).contains($0.value) })
        }
        #expect(text.contains("TIMELINE of 150 plain responses"))
        #expect(text.contains("TIMELINE of 150 streaming responses"))
        #expect(text.contains("4444:3333:2222:1111:8888:7777:6666:5555") || text.contains("1111:2222:3333:4444"))
    }

    @Test("no p99 for fewer than 100 values, no p90 for fewer than 10", arguments: [9, 10, 99, 100] as [Int64])
    func percentiles(count: Int64) throws {
        let text = ReportText(run: run, width: 80).text(report([fullServer(count: count)]))
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("  app ") })
        let cells = line.split(separator: " ").map(String.init)
        #expect(cells[1] == "13.7ms")
        #expect(cells[2] == (count < 10 ? "-" : "13.7ms"))
        #expect(cells[3] == (count < 100 ? "-" : "13.7ms"))
    }

    @Test("loss stands in the report, by kind")
    func loss() {
        var lossy = report([])
        lossy.loss.made = 1000
        lossy.loss.delivered = 988
        lossy.loss.lost = ["flushes": 11, "reads": 1, "states": 0]
        lossy.loss.missed = 3
        lossy.unattributed = 4
        let text = ReportText(run: run, width: 200).text(lossy)
        #expect(
            text.contains("1,000 seen = 988 delivered + 12 lost (the ring was full: flushes 11, reads 1); 3 missed"))
        #expect(text.contains("; 4 of connections that were never announced"))
        #expect(text.contains("No response was seen."))
    }

    @Test("numbers that only a forged recording has are written, not stumbled over")
    func forged() {
        var server = fullServer()
        let huge: Int64 = 1 << 60  // where sums stop
        for stage in Stage.allCases { server.open.times[stage] = huge }
        for cause in WaitCause.allCases { server.causes[cause] = huge }
        server.timelines[0].duration.add(huge, times: 1 << 40)
        server.timelines[0].stages[2].add(huge, times: 7)
        server.timelines[0].slow.shares[2] = .nan
        server.timelines[0].slow.shares[3] = 1e300
        var row = QueueRow(upTo: nil)
        row.add(writes: huge, wait: huge, unsent: huge)
        row.drain(bytes: 1, in: huge)
        server.queue = [row]
        var forged = report([server])
        forged.duration = 1
        forged.loss.made = .max
        #expect(ReportText(run: run, width: 80).text(forged).contains("QUEUED BYTES"))
        #expect(ReportJSON(run: run).line(forged).last == 0x0a)
    }

    @Test("JSON is one line with the same numbers, and its summary is whole")
    func json() throws {
        let bytes = ReportJSON(run: run).line(report([fullServer(comm: "\u{202e}x")]))
        #expect(bytes.filter { $0 == 0x0a }.count == 1)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
        #expect(object["type"] as? String == "report")
        let server = try #require((object["servers"] as? [[String: Any]])?.first)
        #expect(server["comm"] as? String == "\u{202e}x")
        #expect((server["summary"] as? String)?.count ?? 0 > Sanitizer.longest)
        #expect((server["timelines"] as? [Any])?.count == 2)
        let peers = try #require(server["peers"] as? [[String: Any]])
        #expect(peers.count == 2 && peers[1]["held_ns"] as? Int == 123_456_789_000)
        let slow = try #require((server["timelines"] as? [[String: Any]])?.first?["slow"] as? [String: Any])
        #expect((slow["share"] as? [String: Double])?["blocked"] == 1)
        #expect(slow["peer_share"] as? Double == 0.5)
    }
}

@Suite("The report's story")
struct ReportStoryTests {
    private func story(_ shares: [Stage: Double], causes: CauseTimes = CauseTimes(), streaming: Bool = false) -> String
    {
        var server = ServerReport(port: 80)
        var timeline = TimelineReport(isStreaming: streaming)
        timeline.count = 250
        timeline.duration.add(1_000_000, times: 250)
        for (stage, share) in shares {
            timeline.slow.shares[stage.index] = share
            timeline.stages[stage.index].add(Int64(share * 1_000_000), times: 250)
        }
        timeline.slow.count = 3
        timeline.slow.of = 250
        timeline.slow.shortest = 1_000_000
        timeline.slow.causes = causes
        timeline.slow.worstPeer = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: 5)
        timeline.slow.worstPeerShare = 1
        timeline.slow.ackDelayShare = 0.8
        timeline.causes = causes
        server.timelines = [timeline]
        return ReportStory(server).paragraphs.joined(separator: " ")
    }

    private func held(_ cause: WaitCause) -> CauseTimes {
        var causes = CauseTimes()
        causes[cause] = 96
        causes.other += 4
        return causes
    }

    @Test("the stage with most of the slow ones' time decides whose time it is")
    func owners() {
        #expect(
            story([.app: 0.9, .queue: 0.1]).contains(
                "90 % of their time in app and 10 % in queue. That is the server's own"))
        #expect(story([.read: 0.9]).contains("the server did not read them"))
        #expect(story([.accept: 0.9]).contains("Nobody accepted"))
        #expect(story([.qdisc: 0.9]).contains("the device"))
        #expect(story([.network: 0.9]).contains("delayed ACK (ack_delay 80 %)"))
        #expect(story([.app: 1], streaming: true).contains("The server sets that pace"))
    }

    @Test("held bytes have a cause, and a peer where it is one's")
    func holders() {
        let peer = story([.blocked: 0.4, .queue: 0.3, .app: 0.3], causes: held(.peerWindow))
        #expect(peer.contains("held by peer_window (96 %): 127.0.0.1:5 reads more slowly than the server writes"))
        #expect(story([.queue: 1], causes: held(.congestionWindow)).contains("the path to 127.0.0.1:5 carries no more"))
        #expect(story([.queue: 1], causes: held(.qdisc)).contains("the device is slower"))
        #expect(story([.queue: 1], causes: held(.other)).contains("held by other (100 %)"))
    }

    @Test("a few responses that hold most of the time are told, where the slowest 1 % are of another kind")
    func allTime() {
        var server = ServerReport(port: 80)
        var timeline = TimelineReport(isStreaming: false)
        timeline.count = 500
        timeline.duration.add(1_000_000, times: 500)
        timeline.stages[Stage.queue.index].add(800_000, times: 500)
        timeline.stages[Stage.app.index].add(200_000, times: 500)
        timeline.slow.count = 5
        timeline.slow.shares[Stage.app.index] = 0.8
        timeline.slow.shares[Stage.queue.index] = 0.2
        timeline.causes = held(.peerWindow)
        server.timelines = [timeline]
        let text = ReportStory(server).paragraphs.joined()
        #expect(
            text.contains(
                "Of the time of all 500, 80 % is in queue and 20 % in app; the bytes were held by peer_window (96 %)."))
        #expect(!story([.app: 0.9, .queue: 0.1]).contains("Of the time of all"))
    }

    @Test("open responses are told, and a server of which nothing ended says so")
    func open() {
        var server = ServerReport(port: 80)
        #expect(ReportStory(server).paragraphs.joined().contains("say nothing yet"))
        server.open.count = 20
        server.open.oldest = 95_000_000_000
        server.open.times.add(98, to: .blocked)
        server.open.times.add(2, to: .app)
        server.open.causes.peerWindow = 98
        server.open.unsentBytesMax = 1 << 20
        #expect(
            ReportStory(server).paragraphs == [
                "20 responses are still open, the oldest for 95.0s: so far they have spent 98 % of their time in blocked, "
                    + "held by peer_window, with up to 1.00MiB unsent."
            ])
    }
}

@Suite("Text in lines")
struct ParagraphTests {
    @Test("breaks between words, and never between a number and its percent sign")
    func wrapped() {
        #expect(Paragraph.wrapped("aa bb cc 96 % dd", width: 8) == "aa bb cc\n96 % dd\n")
        #expect(Paragraph.wrapped("aa bb 96 %", width: 8, indent: 2) == "  aa bb\n  96 %\n")
        #expect(Paragraph.wrapped("longerthanaline b", width: 4) == "longerthanaline\nb\n")
        #expect(Paragraph.wrapped("", width: 4).isEmpty)
    }

    @Test("numbers with commas, shares with <1 %")
    func numbers() {
        #expect([0, 999, 1000, 1_234_567, -1000].map(Quantity.count) == ["0", "999", "1,000", "1,234,567", "-1,000"])
        #expect([nil, 0, 0.001, 0.005, 1].map(Quantity.percent) == ["-", "0 %", "<1 %", "1 %", "100 %"])
    }
}
