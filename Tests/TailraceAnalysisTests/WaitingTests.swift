// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// What waits for a server that takes nothing: told while it lasts, of whom, and over when it is taken.
struct WaitingTests {
    private let second: Int64 = 1_000_000_000
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)
    private let listening = Server(pid: 7, started: 1, comm: "master", executable: nil, cgroup: nil)

    private func connection(_ cookie: UInt64) -> Connection {
        Connection(
            cookie: cookie, local: Endpoint(ipv4: true, bytes: (0, 0), port: 80),
            remote: Endpoint(ipv4: true, bytes: (0, 0), port: UInt16(cookie)), established: 1)
    }

    private final class Told {
        var correlator = Correlator()
        var watch = Watch()
        var found: [Finding] = []
        var samples: [ServerSample] = []

        func take(_ event: KernelEvent) {
            correlator.take(event) { actions in
                let told = watch.take(actions)
                found += told.findings
                samples += told.samples
            }
        }
    }

    /// A look each second for 20 s; from 5 s to 11 s `count` connections wait, accepted or not.
    private func run(_ count: Int, isAccepted: Bool, isUsed: Bool = true, listener: Server? = nil) -> Told {
        let told = Told()
        if isUsed {
            for cookie in 1...(isAccepted ? count : 1) {
                told.take(.socketUsed(SocketUse(connection: connection(UInt64(cookie)), server: server, at: 1)))
            }
        }
        for at in 1...20 {
            let at = Int64(at)
            for cookie in 1...(isAccepted ? count : 1) where isUsed {
                var sample = SocketSample()
                (sample.socket, sample.at) = (UInt64(cookie), at * second)
                withUnsafePointer(to: sample) { told.take(.socketSampled($0)) }
            }
            for number in 1...count where (5...11).contains(at) {
                told.take(
                    .connectionWaits(
                        WaitingConnection(
                            connection: connection(UInt64(isAccepted ? number : 100 + number)), server: listener,
                            since: 4 * second + second / 2, at: at * second, unreadBytes: 40, isAccepted: isAccepted)))
            }
            told.take(.roundEnded(SamplingRound(begin: at * second, end: at * second + 1)))
        }
        return told
    }

    @Test("connections that nobody accepts are told at the next look, of who last used the port")
    func unaccepted() throws {
        let told = run(40, isAccepted: false)
        let states = told.found.map { "\($0.anomaly.rawValue) \($0.state.rawValue) \($0.at / second)" }
        #expect(
            states == ["receive-pressure opened 5", "receive-pressure updated 6", "receive-pressure closed 14"],
            "\(states)")
        let first = try #require(told.found.first)
        #expect(first.server.pid == 42 && first.held == 40 && first.begin == 4 * second + second / 2 + 1)
        #expect(first.evidence.contains(Evidence("unaccepted_connections", .count(40))))
        #expect(first.summary.hasPrefix("40 connections wait for the server to accept them"), "\(first.summary)")
        #expect(told.samples.first { $0.at / second == 6 }?.unaccepted == 40)
    }

    @Test("requests that nobody reads are told, and a single one when it has waited long and nothing else was read")
    func unread() throws {
        let told = run(3, isAccepted: true)
        #expect(told.found.first.map { $0.at / second } == 5 && told.found.first?.held == 3)
        #expect(told.found.first?.evidence.contains(Evidence("unread_requests", .count(3))) == true)
        let alone = run(1, isAccepted: true)
        #expect(alone.found.first.map { $0.at / second } == 7, "\(alone.found.map(\.at))")
    }

    @Test("where nobody has used a connection, it waits for who listens; where that is not known, for nobody")
    func listener() {
        #expect(run(5, isAccepted: false, isUsed: false, listener: listening).found.first?.server.pid == 7)
        #expect(run(5, isAccepted: false, isUsed: false).found.isEmpty)
    }

    @Test("what comes while a response is in the making is no request that waits")
    func inTheMaking() {
        let told = Told()
        told.take(.socketUsed(SocketUse(connection: connection(1), server: server, at: 1)))
        Array("POST / HTTP/1.1\r\nContent-Length: 9000\r\n\r\n".utf8).withUnsafeBytes { head in
            var read = RequestRead()
            (read.socket, read.readable, read.at, read.bytes) = (1, 1, 2, Int64(head.count))
            (read.isFirst, read.head, read.sequenceEnd) = (true, head, UInt32(head.count))
            withUnsafePointer(to: read) { told.take(.requestRead($0)) }
        }
        for at in 1...10 {
            let at = Int64(at)
            var sample = SocketSample()
            (sample.socket, sample.at) = (1, at * second)
            withUnsafePointer(to: sample) { told.take(.socketSampled($0)) }
            told.take(
                .connectionWaits(
                    WaitingConnection(
                        connection: connection(1), server: server, since: 3, at: at * second, unreadBytes: 8000,
                        isAccepted: true)))
            told.take(.roundEnded(SamplingRound(begin: at * second, end: at * second + 1)))
        }
        #expect(told.found.isEmpty && told.samples.allSatisfy { $0.unread == 0 })
    }

    @Test("of TLS bytes those are a request that waits that came after all that was sent")
    func encrypted() {
        for (since, isWaiting) in [(Int64(3), true), (1, false)] {
            let told = Told()
            told.take(.socketUsed(SocketUse(connection: connection(1), server: server, at: 1)))
            let hello: [UInt8] = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]
            hello.withUnsafeBytes { head in
                var read = RequestRead()
                (read.socket, read.readable, read.at, read.bytes) = (1, 1, 2, Int64(head.count))
                (read.isFirst, read.head, read.sequenceEnd) = (true, head, UInt32(head.count))
                withUnsafePointer(to: read) { told.take(.requestRead($0)) }
            }
            var flush = FlushMarks()
            (flush.socket, flush.at, flush.writes, flush.sequenceEnd) = (1, 2 * second + 4, 1, 900)
            (flush.firstEnter, flush.enter, flush.exit) = (2 * second, 2 * second, 2 * second + 1)
            (flush.queued, flush.transmitted, flush.acked) = (2 * second + 2, 2 * second + 3, 2 * second + 4)
            withUnsafePointer(to: flush) { told.take(.flushLeft($0)) }
            for at in 3...10 {
                let at = Int64(at)
                var sample = SocketSample()
                (sample.socket, sample.at) = (1, at * second)
                withUnsafePointer(to: sample) { told.take(.socketSampled($0)) }
                told.take(
                    .connectionWaits(
                        WaitingConnection(
                            connection: connection(1), server: server, since: since * second, at: at * second,
                            unreadBytes: 80, isAccepted: true)))
                told.take(.roundEnded(SamplingRound(begin: at * second, end: at * second + 1)))
            }
            #expect(told.found.isEmpty == !isWaiting, "\(told.found.map(\.summary))")
        }
    }

    @Test("two late requests of eighty-four on connections that have gone are no pressure")
    func fewLate() {
        var window = ServerWatch(server: server, at: 0, limits: Thresholds())
        var findings: [Finding] = []
        for number in 1...84 {
            var response = Response(connection: connection(UInt64(number)))
            response.restart()

            (response.begin, response.end) = (second, second + second / 4)
            response.timeline[.read] = number % 42 == 0 ? 150_000_000 : 1000
            withUnsafePointer(to: response) { window.add(EndedResponse($0)) }
        }
        window.take([], ServerSample(server: server, at: 2 * second), to: &findings)
        #expect(findings.isEmpty, "\(findings.map(\.summary))")
    }
}
