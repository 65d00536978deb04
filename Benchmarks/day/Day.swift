// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceModel

/// A server process with kept connections, and streams beside them, told as the kernel side tells it.
struct Day {
    private var correlator = Correlator(tellsFlushes: true)
    private let gathering: Gathering
    private let rate: Int
    private var connections: [Connection]
    private let server = Server(pid: 42, started: 1, comm: "server", executable: "/usr/bin/server", cgroup: "/")
    private static let kept = 200
    private static let second: Int64 = 1_000_000_000
    private static let request = Array("GET /small HTTP/1.1\r\nHost: day\r\n\r\n".utf8)
    private static let head = Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall".utf8)
    private static let streamed = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)

    private struct Connection {
        let cookie: UInt64
        var read: UInt32 = 1
        var sent: UInt32 = 1
    }

    /// `streams`: connections with an endless response each, a flush a second.
    init(rate: Int, streams: Int, watches: Bool, counts: Bool, pictures: Pictures?) {
        self.rate = rate
        gathering = Gathering(watches: watches, counts: counts, pictures: pictures)
        connections = (1...(Self.kept + streams)).map { Connection(cookie: UInt64($0)) }
        for connection in connections {
            let local = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: 80)
            let remote = Endpoint(ipv4: true, bytes: (connection.cookie, 0), port: 1234)
            let known = TailraceModel.Connection(
                cookie: connection.cookie, local: local, remote: remote, established: 1)
            take(.socketUsed(SocketUse(connection: known, server: server, at: 1)))
        }
    }

    /// Everything of that second, and the look at its end.
    mutating func live(second: Int) {
        let begin = Int64(second) * Self.second
        for number in 0..<rate {
            let at = begin + Int64(number) * (Self.second / Int64(rate))
            // Latency has its ups and downs, without a trend.
            let length = 300_000 + Int64((number &* 2_654_435_761) % 900_000)
            respond(on: number % Self.kept, at: at, length: length)
        }
        for place in Self.kept..<connections.count {
            if second == 1 { ask(on: place, at: begin) }
            flush(on: place, second == 1 ? Self.streamed : [], bytes: 200, at: begin + 2_000_000, length: 100_000)
        }
        look(from: begin + Self.second - 2_000_000)
    }

    private mutating func respond(on place: Int, at: Nanoseconds, length: Int64) {
        ask(on: place, at: at)
        flush(on: place, Self.head, bytes: UInt32(Self.head.count), at: at + length, length: 50_000)
    }

    private mutating func ask(on place: Int, at: Nanoseconds) {
        connections[place].read &+= UInt32(Self.request.count)
        Self.request.withUnsafeBytes { bytes in
            var read = RequestRead()
            read.socket = connections[place].cookie
            (read.readable, read.at, read.bytes) = (at, at + 10_000, Int64(bytes.count))
            (read.sequenceEnd, read.isFirst, read.head) = (connections[place].read, true, bytes)
            withUnsafePointer(to: &read) { take(.requestRead($0)) }
        }
    }

    private mutating func flush(on place: Int, _ head: [UInt8], bytes: UInt32, at: Nanoseconds, length: Int64) {
        var marks = FlushMarks()
        marks.socket = connections[place].cookie
        (marks.firstEnter, marks.enter, marks.exit) = (at, at, at + 5000)
        (marks.queued, marks.transmitted, marks.acked) = (at + 6000, at + 8000, at + length)
        (marks.at, marks.sendTime, marks.writes, marks.isLoopback) = (at + length, 5000, 1, true)
        marks.isHeadTold = !head.isEmpty
        marks.sequenceStart = connections[place].sent
        connections[place].sent &+= bytes
        marks.sequenceEnd = connections[place].sent
        if !head.isEmpty {
            head.withUnsafeBytes { content in
                var sent = SentHead()
                (sent.socket, sent.at, sent.sequence) = (marks.socket, at, marks.sequenceStart)
                (sent.callBytes, sent.head) = (Int64(bytes), content)
                withUnsafePointer(to: &sent) { take(.headSent($0)) }
            }
        }
        withUnsafePointer(to: &marks) { take(.flushLeft($0)) }
    }

    private mutating func look(from begin: Nanoseconds) {
        for place in connections.indices {
            var sample = SocketSample()
            (sample.socket, sample.at) = (connections[place].cookie, begin + Int64(place))
            (sample.sndbufBytes, sample.peerWindow, sample.congestionWindow) = (87_040, 65_536, 10)
            withUnsafePointer(to: &sample) { take(.socketSampled($0)) }
        }
        take(.roundEnded(SamplingRound(begin: begin, end: begin + 1_000_000)))
    }

    private mutating func take(_ event: KernelEvent) { correlator.take(event, gathering.take) }

    /// Twice, as in half a second each.
    mutating func show(second: Int) {
        let begin = Int64(second) * Self.second
        for at in [begin + Self.second / 2, begin + Self.second] {
            gathering.pictures?.look(at: at) { correlator.open(at: at, on: $0) }
        }
    }

    /// Ended so far.
    var responses: Int { gathering.responses }
    /// Told so far.
    var findings: Int { gathering.findings }
}

/// As `tailrace report` has it.
private final class Gathering {
    private(set) var responses = 0
    private(set) var findings = 0
    private var watch = Watch()
    private var builder = ReportBuilder()
    private var metrics = MetricsBuilder()
    private let watches: Bool
    private let counts: Bool
    /// Instead of all else.
    let pictures: Pictures?

    init(watches: Bool, counts: Bool, pictures: Pictures?) {
        (self.watches, self.counts, self.pictures) = (watches, counts, pictures)
    }

    func take(_ actions: borrowing Actions) {
        if let pictures {
            responses += actions.ended.count
            return pictures.take(actions)
        }
        if let flush = actions.flush { builder.add(flush) }
        var told = Watch.Told()
        if watches { told = watch.take(actions) }
        findings += told.findings.count
        if counts { metrics.take(actions, told: told) }
        responses += actions.ended.count
        let anchor = ClockAnchor(monotonic: 0, wall: 0)
        for place in actions.ended.indices { builder.add(actions.ended[place], anchor: anchor) }
    }
}
