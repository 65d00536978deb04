// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// Clients that read slowly or not at all: whose doing it is, at which rate, and what is told when it is over.
struct SlowPeerTests {
    private let second: Int64 = 1_000_000_000
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    /// One connection with a response in the making, looked at each second; what is found, as it was told.
    private func run(
        _ seconds: ClosedRange<Int64>, acknowledged: (Int64) -> UInt32 = { _ in 1000 },
        _ change: (Int64, inout SocketSample) -> Void
    ) -> [Finding] {
        var watch = ServerWatch(server: server, at: 0, limits: Thresholds())
        var told: [Finding] = []
        for at in seconds {
            var sample = SocketSample()
            (sample.socket, sample.at) = (1, at * second)
            (sample.congestionWindow, sample.peerWindow) = (100, 65_536)
            (sample.srttMicroseconds, sample.rwndLimited) = (100, at * second)
            change(at, &sample)
            let endpoint = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: 80)
            let look = ConnectionLook(
                connection: Connection(cookie: 1, local: endpoint, remote: endpoint, established: 1), server: server,
                sample: sample, acknowledged: acknowledged(at), clientFin: nil, response: LookedResponse())
            var all = ServerSample(server: server, at: at * second)
            all.add(sample)
            watch.take([look], all, to: &told)
        }
        return told
    }

    private func number(_ name: String, in finding: Finding?) -> Int64? {
        switch finding?.evidence.first(where: { $0.name == name })?.value {
        case .bytesPerSecond(let value)?, .duration(let value)?, .count(let value)?: value
        default: nil
        }
    }

    @Test("what a small receive buffer drops and gets again is no congestion: the peer's window was full all the time")
    func smallBuffer() {
        let told = run(1...6) { at, sample in
            (sample.unsentBytes, sample.oldestUnsent, sample.unackedBytes) = (200_000, 3 * second, 40_000)
            sample.retransmits = UInt32(3 * at)
        }
        #expect(told.contains { $0.anomaly == .slowConsumer } && !told.contains { $0.anomaly == .congestedPath })
        let lossy = run(1...6) { at, sample in
            (sample.unsentBytes, sample.oldestUnsent, sample.unackedBytes) = (200_000, 3 * second, 40_000)
            (sample.retransmits, sample.rwndLimited) = (UInt32(3 * at), 6 * at * second / 10)
        }
        #expect(lossy.contains { $0.anomaly == .congestedPath } && !lossy.contains { $0.anomaly == .slowConsumer })
    }

    @Test("tokens that have waited for twice the age behind a full window are a slow consumer, however few they are")
    func tokens() {
        let waits = { (at: Int64) in max(0, at - 3) * second + second / 2 }
        let told = run(1...8) { at, sample in (sample.unsentBytes, sample.oldestUnsent) = (90, waits(at)) }
        #expect(told.first { $0.anomaly == .slowConsumer }.map { $0.at / second } == 5)
        let open = run(1...8) { at, sample in
            (sample.unsentBytes, sample.oldestUnsent, sample.rwndLimited) = (90, waits(at), at * second / 2)
        }
        #expect(!open.contains { $0.anomaly == .slowConsumer })
    }

    @Test("what is taken between two looks is counted up to nearly all sequence numbers, and what goes back is nothing")
    func sequenceNumbers() {
        #expect(TakenBytes.bytes(from: 10, to: 10) == 0)
        #expect(TakenBytes.bytes(from: .max - 4, to: 5) == 10)
        #expect(TakenBytes.bytes(from: 0, to: 3_400_000_000) == 3_400_000_000)
        #expect(TakenBytes.bytes(from: 5000, to: 4000) == 0)
    }

    @Test("a few segments sent again are not more of them because a look came later")
    func rareLooks() {
        let told = ([1, 2] as [Int64]).map { apart in
            run(1...20) { at, sample in
                sample.at = at * apart * second
                (sample.unsentBytes, sample.oldestUnsent, sample.unackedBytes) = (200_000, 3 * second, 40_000)
                (sample.retransmits, sample.rwndLimited) = (UInt32(at * apart * 3 / 2), 0)
            }
        }
        for told in told { #expect(!told.contains { $0.anomaly == .congestedPath }) }
    }

    @Test("a client that takes 200 kB each four seconds takes 50 kB a second; one that stopped, nothing")
    func rates() {
        let held = { (at: Int64, sample: inout SocketSample) in
            (sample.unsentBytes, sample.oldestUnsent) = (900_000, 5 * second)
        }
        let lumps = run(1...40, acknowledged: { UInt32($0 / 4 * 200_000) }, held)
        let rate = number("drained_bytes_per_second", in: lumps.last { $0.anomaly == .slowConsumer })
        #expect(rate.map { (40_000...65_000).contains($0) } == true, "\(String(describing: rate))")
        let stopped = run(1...14, acknowledged: { UInt32(min($0, 4) * 100_000) }, held)
        let last = stopped.last { $0.anomaly == .slowConsumer }
        #expect(number("takes_nothing_ns", in: last) == 8 * second, "\(String(describing: last?.summary))")
        #expect(last?.summary.contains("has taken nothing for 8 s") == true, "\(String(describing: last?.summary))")
        // 40 GB within ten seconds: sequence numbers go round.
        let fast = run(1...12, acknowledged: { UInt32(truncatingIfNeeded: $0 * 1_900_000_000) }, held)
        let most = number("drained_bytes_per_second", in: fast.last { $0.anomaly == .slowConsumer })
        #expect(most.map { (1_800_000_000...2_000_000_000).contains($0) } == true, "\(String(describing: most))")
    }

    @Test("what is over is told as it was when it was worst, and not as it faded")
    func worst() {
        let told = run(1...20) { at, sample in
            sample.unsentBytes = 200_000
            sample.oldestUnsent = at < 6 ? at * second : at < 10 ? 600_000_000 : 0
        }.filter { $0.anomaly == .slowConsumer }
        #expect(told.last?.state == .closed && told.last?.end == 9 * second)
        #expect(number("peer_waits_ns", in: told.last) == 5 * second)
        #expect(told.last?.summary.contains("the server has waited 5 s") == true)
    }

    @Test("a writer that goes on for a few seconds in between is blocked once")
    func flapping() {
        let told = run(1...60) { at, sample in sample.blocked = at % 8 < 3 && at < 40 ? second : 0 }
        let states = told.filter { $0.anomaly == .blockedWriters }.map(\.state)
        #expect(states.filter { $0 == .opened }.count == 1 && states.last == .closed, "\(states)")
    }
}
