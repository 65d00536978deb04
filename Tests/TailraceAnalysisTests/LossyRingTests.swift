// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing
import Traffic

@testable import TailraceAnalysis

@Suite("Connections by chance of which records are lost")
struct LossyRingTests {
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    @Test("one record: what is told and not marked is as it was", arguments: Seeds.shares)
    func one(share: Int) {
        Seeds.check(share: share) { seed in
            let traced = TracedConnection(seed: seed, index: 0, server: server)
            var random = SeededGenerator(state: ~seed)
            let place = Int.random(in: 0...traced.kernel.records.count, using: &random)
            var next = 0
            let ring = LossyRing(traced.kernel.records) { _ in
                next += 1
                return next - 1 == place
            }
            return Aftermath(traced, ring).difference()
        }
    }

    @Test("any records: what is told and not marked is as it was", arguments: Seeds.shares)
    func any(share: Int) {
        Seeds.check(share: share) { seed in
            let traced = TracedConnection(seed: seed, index: 0, server: server)
            var random = SeededGenerator(state: ~seed)
            let inverse = [2, 5, 20, 60][Int.random(in: 0..<4, using: &random)]
            let ring = LossyRing(traced.kernel.records) { _ in Int.random(in: 0..<inverse, using: &random) == 0 }
            return Aftermath(traced, ring).difference()
        }
    }

    @Test(
        "any records, where nothing told the ends: no contradiction, and nothing outlives its connection",
        arguments: Seeds.shares)
    func wild(share: Int) {
        Seeds.check(share: share) { seed in
            let traced = TracedConnection(seed: seed, index: 0, server: server, isWild: true)
            var random = SeededGenerator(state: ~seed)
            let ring = LossyRing(traced.kernel.records) { _ in Int.random(in: 0..<5, using: &random) == 0 }
            return Aftermath(traced, ring).contradiction()
        }
    }

    @Test(
        "all records of a kind: what is told and not marked is as it was",
        arguments: ["socket", "read", "head", "flush", "state"])
    func kind(_ kind: String) {
        for share in Seeds.shares {
            Seeds.check(share: share) { seed in
                let traced = TracedConnection(seed: seed, index: 0, server: server)
                let ring = LossyRing(traced.kernel.records) { $0.kind == kind }
                return Aftermath(traced, ring).difference()
            }
        }
    }
}

/// What is told of a connection after records of it were lost, against what would have been told.
private struct Aftermath {
    private let traced: TracedConnection
    private let ring: LossyRing

    init(_ traced: TracedConnection, _ ring: LossyRing) {
        self.traced = traced
        self.ring = ring
    }

    func difference() -> String? {
        var whole = Replay()
        whole.take(traced.kernel.records)
        let lossy = replay()
        return (wrong(lossy, whole) ?? wrong(lossy)).map(explain)
    }

    func contradiction() -> String? { wrong(replay()).map(explain) }

    private func replay() -> Replay {
        var lossy = Replay()
        lossy.take(ring.records)
        // Where the end itself was lost, looks that do not meet it tell.
        for round in 1...4 {
            let time = traced.end + Int64(round) * 1_000_000
            if traced.closing == .staysOpen { lossy.take(.sample(sample(at: time))) }
            lossy.take(.round(SamplingRound(begin: time, end: time + 1, isComplete: true)))
        }
        return lossy
    }

    private func sample(at time: Nanoseconds) -> SocketSample {
        var sample = SocketSample()
        sample.socket = traced.kernel.cookie
        sample.at = time
        return sample
    }

    private func wrong(_ lossy: Replay, _ whole: Replay) -> String? {
        let exact = Set(whole.ended.map { Fingerprint($0, isNumbered: false).description })
        for response in lossy.ended {
            if response.isEstimated { continue }
            let told = Fingerprint(response, isNumbered: false).description
            if !exact.contains(told) {
                return "not marked, and not as it was:\n\(told)\nof \(exact.sorted().joined(separator: "\n   "))"
            }
        }
        return nil
    }

    private func wrong(_ lossy: Replay) -> String? {
        if let contradiction = lossy.ended.compactMap(\.contradiction).first { return contradiction }
        let targets = lossy.ended.compactMap(\.target)
        if Set(targets).count != targets.count { return "told twice: \(targets)" }
        if lossy.ended.map(\.number) != Array(1..<lossy.ended.count + 1) {
            return "numbers \(lossy.ended.map(\.number))"
        }
        let bytes = lossy.ended.reduce(0) { $0 + $1.responseBytes }
        if bytes > traced.writtenBytes { return "\(bytes) bytes of \(traced.writtenBytes)" }
        if traced.closing != .staysOpen, lossy.correlator.openResponses + lossy.correlator.connections > 0 {
            return "the connection is gone, and \(lossy.correlator.openResponses) responses are open"
        }
        return nil
    }

    private func explain(_ text: String) -> String {
        text + "\n lost \(ring.lost)\n" + ring.records.map { "  \($0.summary)" }.joined(separator: "\n")
            + "\n of\n" + Comparison(traced).explain("")
    }
}
