// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing
import Traffic

@testable import TailraceAnalysis

@Suite("Connections by chance whose ends nothing tells")
struct WildTrafficTests {
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    @Test(
        "no byte is lost or told twice, no time contradicts another, and nothing outlives its connection",
        arguments: Seeds.shares)
    func conserved(share: Int) {
        Seeds.check(share: share) { seed in
            let traced = TracedConnection(seed: seed, index: 0, server: server, isWild: true)
            var replay = Replay()
            replay.take(traced.kernel.records)
            return wrong(replay, traced).map(Comparison(traced, truths: []).explain)
        }
    }

    private func wrong(_ replay: Replay, _ traced: TracedConnection) -> String? {
        var replay = replay
        for flush in traced.kernel.outstanding(at: traced.end) { replay.take(.flush(flush)) }
        let open = replay.correlator.open(at: traced.end)
        let told = replay.ended + open
        if let contradiction = told.compactMap(\.contradiction).first { return contradiction }
        if told.map(\.number).sorted() != Array(1..<told.count + 1) { return "numbers \(told.map(\.number))" }
        let bytes = told.reduce(0) { $0 + $1.responseBytes }
        if bytes != traced.writtenBytes { return "\(bytes) bytes of \(traced.writtenBytes)" }
        let requestBytes = told.reduce(0) { $0 + $1.requestBytes }
        if requestBytes > traced.readBytes { return "\(requestBytes) request bytes of \(traced.readBytes)" }
        let targets = told.compactMap(\.target)
        if Set(targets).count != targets.count { return "told twice: \(targets)" }
        if traced.closing != .staysOpen, traced.isTraced, !open.isEmpty || replay.correlator.connections > 0 {
            return "the connection is gone, and \(open.count) responses are open"
        }
        return nil
    }
}
