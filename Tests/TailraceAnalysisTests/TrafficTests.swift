// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing
import Traffic

@testable import TailraceAnalysis

@Suite("Connections by chance, as the kernel side tells them")
struct TrafficTests {
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    @Test("each response is told once, in order, with its bytes, times, flushes and ending", arguments: Seeds.shares)
    func responses(share: Int) {
        Seeds.check(share: share) { seed in
            let traced = TracedConnection(seed: seed, index: 0, server: server)
            var replay = Replay()
            replay.take(traced.kernel.records)
            return Comparison(traced).difference(replay)
        }
    }

    @Test(
        "each flush is told once: their bytes are those that were sent, their calls those that were made",
        arguments: Seeds.shares)
    func flushes(share: Int) {
        Seeds.check(share: share) { seed in
            let traced = TracedConnection(seed: seed, index: 0, server: server)
            var replay = Replay()
            replay.take(traced.kernel.records)
            let expected = traced.flushes.filter { !$0.bytes.isEmpty }.map(\.marks)
            let bytes = replay.flushes.reduce(0) { $0 + $1.bytes }
            if bytes != expected.reduce(0, { $0 + $1.bytes }) { return "\(bytes) bytes in flushes" }
            let calls = replay.flushes.reduce(0) { $0 + $1.writes }
            if calls != expected.reduce(0, { $0 + Int64($1.writes) }) { return "\(calls) calls in flushes" }
            for flush in replay.flushes {
                for stage in Stage.delivery where flush.stages[stage] ?? 0 < 0 { return "\(stage) is negative" }
                if let total = flush.total, Stage.delivery.reduce(0, { $0 + (flush.stages[$1] ?? 0) }) != total {
                    return "stages \(flush.stages) do not sum to \(total)"
                }
            }
            return nil
        }
    }

    @Test(
        "a connection whose end was not told: what is on its way belongs to its open responses", arguments: Seeds.shares
    )
    func open(share: Int) {
        Seeds.check(share: share) { seed in
            let traced = TracedConnection(seed: seed, index: 0, server: server, closing: .staysOpen)
            var replay = Replay()
            var watched = Replay()
            for record in traced.kernel.records {
                replay.take(record)
                watched.take(record)
                _ = watched.correlator.open(at: record.at)
            }
            for flush in traced.kernel.outstanding(at: traced.end) { watched.take(.flush(flush)) }
            let open = watched.correlator.open(at: traced.end)
            let told = watched.ended + open
            let truths = traced.truths()
            if watched.ended.map(Fingerprint.init) != replay.ended.map(Fingerprint.init) { return "a look changes" }
            if told.map(\.number) != truths.indices.map({ $0 + 1 }) {
                return Comparison(traced).explain("told \(told.map(\.number)) of \(truths.count)")
            }
            let bytes = told.reduce(0) { $0 + $1.responseBytes }
            if bytes != traced.writtenBytes { return "\(bytes) bytes of \(traced.writtenBytes)" }
            for (response, truth) in zip(told, truths) where response.responseBytes != truth.responseBytes {
                return Comparison(traced).explain(
                    "response \(response.number) has \(response.responseBytes) bytes, not \(truth.responseBytes)")
            }
            return told.compactMap(\.contradiction).first
        }
    }

    @Test("the connections come to everything that they are there for")
    func reach() {
        let peculiarities = (UInt64(0)..<400).reduce(into: Set<Peculiarity>()) { peculiarities, seed in
            for isWild in [false, true] {
                peculiarities.formUnion(
                    TracedConnection(seed: seed, index: 0, server: server, isWild: isWild).peculiarities)
            }
        }
        let missing = Peculiarity.allCases.filter { !peculiarities.contains($0) }
        #expect(missing.isEmpty)
    }
}
