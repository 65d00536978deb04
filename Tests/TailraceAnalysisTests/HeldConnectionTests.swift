// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// Connections that the client reset, and whose descriptors the server holds: from events to the finding, and until they are let go.
struct HeldConnectionTests {
    private let second: Int64 = 1_000_000_000
    private let connection = Connection(
        cookie: 7, local: Endpoint(ipv4: true, bytes: (0, 0), port: 80),
        remote: Endpoint(ipv4: true, bytes: (0, 0), port: 999), established: 0)
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    /// One connection, reset at 3 s and held until `released` s; what is found by when, by state.
    private func run(isHeld: Bool, released: Int64) -> [Finding.State: Int64] {
        var correlator = Correlator()
        var watch = Watch()
        var found: [Finding.State: Int64] = [:]
        let take = { (event: KernelEvent) in
            correlator.take(event) { actions in
                for finding in watch.take(actions).findings where finding.anomaly == .orphanedTasks {
                    #expect(finding.evidence.contains(Evidence("reset_connections", .count(1))))
                    #expect(finding.connection?.cookie == 7 && finding.begin == 3 * second)
                    found[finding.state] = finding.at / second
                }
            }
        }
        take(.socketUsed(SocketUse(connection: connection, server: server, at: 1)))
        for at in 1...20 {
            let at = Int64(at)
            var sample = SocketSample()
            (sample.socket, sample.at, sample.isHeld) = (7, at * second, at > 3)
            if at <= 3 || isHeld && at < released { withUnsafePointer(to: sample) { take(.socketSampled($0)) } }
            take(.roundEnded(SamplingRound(begin: at * second, end: at * second + 1)))
            guard at == 3 else { continue }
            take(
                .stateChanged(
                    StateChange(
                        socket: 7, at: 3 * second, old: .established, new: .closed, error: 104, unackedBytes: 0,
                        isHeld: isHeld)))
        }
        return found
    }

    @Test("what the client reset and the server holds is found after the grace, and over when it is let go")
    func held() {
        #expect(run(isHeld: true, released: 12) == [.opened: 5, .closed: 14])
        #expect(run(isHeld: true, released: 100) == [.opened: 5, .updated: 15])
    }

    @Test("a client whose FIN came before it was found is gone since then at least, and nobody says since when")
    func halfClosed() {
        var correlator = Correlator()
        var watch = Watch()
        var found: [Finding] = []
        let take = { (event: KernelEvent) in correlator.take(event) { found += watch.take($0).findings } }
        take(.socketUsed(SocketUse(connection: connection, server: server, at: second / 2, isHalfClosed: true)))
        for at in 1...5 {
            var sample = SocketSample()
            (sample.socket, sample.at) = (7, Int64(at) * second)
            withUnsafePointer(to: sample) { take(.socketSampled($0)) }
            take(.roundEnded(SamplingRound(begin: Int64(at) * second, end: Int64(at) * second + 1)))
        }
        #expect(found.map { $0.at / second } == [3] && found.first?.anomaly == .orphanedTasks)
        #expect(found.first?.summary.contains("for more than 2.5 s") == true, "\(found.map(\.summary))")
    }

    @Test("what is reset and let go at once, or within the grace, is nothing")
    func released() {
        #expect(run(isHeld: false, released: 0).isEmpty)
        #expect(run(isHeld: true, released: 5).isEmpty)
    }
}
