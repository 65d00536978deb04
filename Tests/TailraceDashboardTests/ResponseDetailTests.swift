// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceDashboard

@Suite("One response in detail")
struct ResponseDetailTests {
    private let second = SampleSnapshot.second
    private let key = ResponseKey(cookie: 1, number: 1)

    /// The first one of the sample: open, and held by its client for 5.22 s.
    private func sample(at seconds: Int64 = 1000, delivered: Int64 = 1, of sent: Int64 = 153) -> Snapshot {
        var snapshot = SampleSnapshot.make(at: seconds)
        var response = Response(connection: snapshot.open[0].connection)
        (response.number, response.state, response.server) = (1, .open, SampleSnapshot.server)
        (response.begin, response.end) = (snapshot.at - 15 * second, snapshot.at)
        response.timeline[.app] = 15 * second
        response.delivery.send.add(20_000, times: sent)
        for stage in [\DeliveryDistributions.queue, \DeliveryDistributions.network] {
            response.delivery[keyPath: stage].add(1_000_000, times: delivered)
        }
        response.delivery.total.add(2_000_000, times: delivered)
        var detail = ResponseDetail(key: key)
        (detail.response, detail.socket) = (response, snapshot.connections[0])
        detail.flushes = (0..<3).map { flush(at: snapshot.at - 14 * second + Int64($0) * second) }
        snapshot.detail = detail
        return snapshot
    }

    private func flush(at: Nanoseconds) -> Flush {
        var stages = StageTimes()
        (stages[.send], stages[.network]) = (20_000, 2_000)
        return Flush(
            connection: 1, number: 1, server: SampleSnapshot.server, port: 8080, at: at, bytes: 1000, writes: 1,
            stages: stages, total: 22_000, queuedBytes: 0, unsentBytes: 0)
    }

    private func lines(_ snapshot: Snapshot, _ keys: [Key] = [.enter], newest: Snapshot? = nil) -> [String] {
        var state = InterfaceState()
        for key in keys { _ = state.take(key, snapshot) }
        return Dashboard.frame(newest ?? snapshot, state, columns: 120, rows: 45, Capabilities(colours: .none)).lines
    }

    @Test("what waits now has a row of its own up to now, and whoever holds it a bar on the timeline's scale")
    func waits() throws {
        let lines = lines(sample())
        let now = try #require(lines.first { $0.contains(" now ") && $0.contains("905KiB") && $0.contains("5.22s") })
        #expect(now.contains("unsent, held by client window") && now.dropLast(1).hasSuffix("B"), "\(now)")
        let held = try #require(lines.first { $0.contains("held     ") })
        #expect(held.contains("client window 5.22s"), "\(held)")
        let bar = held.split(separator: " ").last?.filter { $0 == "c" }.count ?? 0
        #expect(bar < 60, "\(held)")
        // One that nothing holds has neither.
        var calm = sample()
        calm.open = [calm.open[0]]
        (calm.open[0].wait, calm.open[0].holder, calm.open[0].unsentBytes) = (0, .nobody, 0)
        let quiet = self.lines(calm)
        #expect(!quiet.contains { $0.contains("held     ") || $0.contains("unsent, held") })
    }

    @Test("flushes that are not acknowledged are told beside those that are, and shares are of means")
    func counts() throws {
        let lines = lines(sample())
        #expect(lines.contains { $0.contains("1 of 153 flushes") })
        // send 20 us, queue 1 ms, network 1 ms: half each, whatever the counts are.
        let queue = try #require(lines.first { $0.hasPrefix("│ queue  ") && $0.contains("1.00ms") })
        let send = try #require(lines.first { $0.hasPrefix("│ send") })
        let filled = { (line: String) in line.count { "▏▎▍▌▋▊▉█".contains($0) } }
        #expect(filled(queue) > 4 * filled(send) && filled(send) <= 1, "\(queue)\n\(send)")
        #expect(self.lines(sample(delivered: 153)).contains { $0.contains("153 flushes") && !$0.contains(" of 153") })
    }

    @Test("one that began unseen shows what its socket knows")
    func unseen() throws {
        var snapshot = SampleSnapshot.make(open: 1)
        var row = ResponseRow(
            number: 0, on: snapshot.open[0].connection, server: SampleSnapshot.server, begin: nil, duration: nil)
        (row.wait, row.holder, row.unsentBytes, row.stage) = (5 * second, .client, 900_000, .queue)
        snapshot.open = [row]
        (snapshot.connections[0].response, snapshot.connections[0].request) = (row.key, "")
        let list = lines(snapshot, [.character("2")])
        let line = try #require(list.first { $0.contains("▶") })
        #expect(line.contains("5.00s") && line.contains("client window") && line.contains("(head not seen)"), "\(line)")
        let connections = lines(snapshot, [.character("3")])
        #expect(connections.contains { $0.contains("(head not") } && !connections.contains { $0.contains("idle") })
        for keys in [[.character("2"), .enter], [.character("3"), .enter]] as [[Key]] {
            let detail = lines(snapshot, keys).joined(separator: "\n")
            for words in ["open, begun unseen", "5.00s", "client window", "879KiB", "before tailrace", "sndbuf"] {
                #expect(detail.contains(words) || words == "sndbuf", "\(words) is missing in\n\(detail)")
            }
        }
        (snapshot.connections[0].response, snapshot.connections[0].sample.unsentBytes) = (nil, 0)
        #expect(lines(snapshot, [.character("3")]).contains { $0.contains("idle") })
    }

    @Test("a moment that was kept without details shows what had happened by then, and says so")
    func frozen() throws {
        var kept = sample(at: 1000)
        kept.detail = nil
        // Asked for two seconds later: one flush more was acknowledged meanwhile.
        var newest = sample(at: 1002)
        newest.detail?.flushes = [flush(at: kept.at - 3 * second), flush(at: kept.at + second)]
        let lines = lines(kept, [.character(" "), .enter], newest: newest)
        let text = lines.joined(separator: "\n")
        #expect(text.contains("was not kept for this moment"), "\(text)")
        #expect(lines.count { $0.contains("22.0us") } == 1, "\(text)")
        #expect(text.contains("GET /stream/0") && text.contains("client window"))
        // Its own details are whole.
        #expect(!self.lines(sample(), [.enter, .character(" ")]).joined().contains("was not kept"))
    }
}
