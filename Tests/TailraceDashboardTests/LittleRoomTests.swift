// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceDashboard

@Suite("What is said in little room")
struct LittleRoomTests {
    private let snapshot = SampleSnapshot.make()

    private func lines(
        _ snapshot: Snapshot, _ keys: [Key] = [], columns: Int = 80, rows: Int = 24, newest: Snapshot? = nil,
        state: InterfaceState = InterfaceState()
    ) -> [String] {
        var state = state
        state.columns = columns
        for key in keys { _ = state.take(key, snapshot) }
        return Dashboard.frame(
            newest ?? snapshot, state, columns: columns, rows: rows, Capabilities(colours: .none)
        ).lines
    }

    @Test(
        "a key is answered at every size, also while the picture is frozen", arguments: [(60, 15), (80, 24), (120, 30)])
    func answers(columns: Int, rows: Int) throws {
        var newest = SampleSnapshot.make(at: 1003)
        newest.facts.message = "recording to /tmp/a/long/directory/of/a/person/tailrace-20261130-043000.trc; R ends it"
        newest.facts.recordingFile = "/tmp/tailrace.trc"
        newest.facts.loss.lost = ["flush": 4200]
        newest.facts.ownShare = 0.042
        for keys in [[], [.character(" ")], [.character(" "), .enter], [.character("5"), .enter]] as [[Key]] {
            let lines = lines(snapshot, keys, columns: columns, rows: rows, newest: newest)
            let text = lines.joined(separator: "\n")
            #expect(text.contains("recording to /tmp") && text.contains("R ends it"), "\(keys): \(text)")
            #expect(text.contains(rows < 25 ? "● REC" : "● recording to"), "\(text)")
            if rows < 25 { #expect(lines[0].contains("lost 4.2k"), "\(lines[0])") }
            newest.facts.message = ""
            let after = self.lines(snapshot, keys, columns: columns, rows: rows, newest: newest)
            #expect(!after.joined().contains("R ends it") && after[rows - 1].contains("quit"))
            newest.facts.message = lines.isEmpty ? "" : "recording to /tmp/tailrace.trc; R ends it"
        }
    }

    @Test("backend, events and own cost are in the first line where there is no second")
    func facts() {
        let line = lines(snapshot)[0]
        for word in ["own 1.3 %", "18.4k ev/s", "fentry", "LIVE"] { #expect(line.contains(word), "\(line)") }
        var busy = snapshot
        (busy.facts.backend, busy.facts.ownShare, busy.facts.eventsPerSecond) = ("tracepoint", 0.124, 142_000)
        #expect(lines(busy, [.character("3")])[0].contains("own 12.4 % 142k ev/s tracepoint"), "\(lines(busy)[0])")
        #expect(lines(snapshot, columns: 60, rows: 15)[0].contains("own 1.3 %"))
    }

    @Test("Tab goes to no list that cannot be seen")
    func tab() {
        #expect(lines(snapshot, columns: 60, rows: 15).contains { $0.contains("open responses 12") })
        let findings = lines(snapshot, [.tab], columns: 60, rows: 15)
        #expect(findings.contains { $0.contains("findings 2 open") } && findings.contains { $0.contains("▶") })
        let ended = lines(snapshot, [.character("2"), .tab], columns: 60, rows: 12 + 3)
        #expect(ended.contains { $0.contains("slowest that ended") })
    }

    @Test("charts have a place at every size")
    func charts() {
        for (columns, rows) in [(60, 15), (80, 24), (120, 30), (160, 45)] {
            let text = lines(snapshot, [.tab, .tab], columns: columns, rows: rows).joined(separator: "\n")
            for title in ["responses by latency", "latency over time", "latency by open tasks", "held by queues"] {
                #expect(text.contains(title.prefix(columns / 2 - 8)), "\(title) at \(columns)x\(rows)\n\(text)")
            }
        }
        for key in [Key.tab, .character("1"), .escape] {
            #expect(lines(snapshot, [.tab, .tab, key]).contains { $0.contains("open responses") }, "\(key)")
        }
    }

    @Test("the help is whole at the least size, live and of a recording")
    func help() {
        var replayed = snapshot
        replayed.facts.mode = .replay(
            ReplayPosition(begin: 0, end: 9, at: 5, speed: 1, isPlaying: true, isAtEnd: false))
        for snapshot in [snapshot, replayed] {
            let text = lines(snapshot, [.character("?")], columns: 60, rows: 15).joined(separator: "\n")
            #expect(!text.contains("…") && text.contains("quit") && text.contains("filter"), "\(text)")
        }
    }

    @Test("a cut sentence says that it is cut, and an end is not")
    func verdict() {
        var snapshot = snapshot
        let short = lines(snapshot, columns: 60, rows: 15)[1]
        #expect(short.hasSuffix("…"), "\(short)")
        snapshot.verdict.clauses = [Verdict.Clause(.calm, String(repeating: "a", count: 55))]
        let whole = lines(snapshot, columns: 60, rows: 15)[1]
        #expect(whole.hasSuffix("aaa") && !whole.contains("…"), "\(whole)")
    }

    @Test("what is only not known yet is not good")
    func tick() {
        var snapshot = snapshot
        snapshot.verdict = Verdict()
        snapshot.verdict.clauses = [Verdict.Clause(.data, "Not enough data yet: 3 responses.")]
        #expect(!lines(snapshot).joined().contains("✓"))
        snapshot.verdict.clauses = [Verdict.Clause(.calm, "Nothing waits.")]
        #expect(lines(snapshot).joined().contains("✓ Nothing waits."))
    }

    @Test("a peer keeps its port, and columns that say less give way to it")
    func peers() throws {
        var snapshot = snapshot
        for place in snapshot.open.indices {
            let old = snapshot.open[place].connection
            snapshot.open[place].connection = Connection(
                cookie: old.cookie, local: old.local, remote: SampleSnapshot.peer6, established: 1)
        }
        let peer = SampleSnapshot.peer6.description
        #expect(peer.count > 35)
        let wide = lines(snapshot, [.character("2")], columns: 160, rows: 45)
        #expect(wide.contains { $0.contains("▶") && $0.contains(peer) && $0.contains("GET /stream/0") }, "\(wide)")
        #expect(!wide.contains { $0.contains("FLUSHES") })
        let narrow = try #require(lines(snapshot, [.character("2")], columns: 60, rows: 15).first { $0.contains("▶") })
        #expect(narrow.contains("[20") && narrow.contains(":40000"), "\(narrow)")
        let four = lines(self.snapshot, columns: 60, rows: 15)
        #expect(four.contains { $0.contains("▶") && $0.contains("10.12.0.0:40000") }, "\(four)")
    }

    @Test("where a server has room it is shown")
    func server() throws {
        let lines = lines(snapshot)
        #expect(lines.contains { $0.contains("▶") && $0.contains("ws-fanout[918]") }, "\(lines)")
        #expect(lines.contains { $0.contains("HELD > 100 ms") && $0.contains("UNSENT") && $0.contains("p99") })
    }

    @Test("every finding has its row, or is counted")
    func findings() throws {
        var snapshot = snapshot
        #expect(lines(snapshot, columns: 160, rows: 45).contains { $0.contains("queue-pressure") })
        let line = try #require(lines(snapshot).first { $0.contains("findings 2 open") })
        #expect(line.contains("1-2 of 3"), "\(line)")
        snapshot.findings.removeLast()
        #expect(try #require(lines(snapshot).first { $0.contains("findings 2 open") }).contains("a acknowledges"))
    }

    @Test("a list says that it has the first rows only")
    func first() throws {
        var snapshot = snapshot
        (snapshot.totals.open, snapshot.openCount) = (3000, 3000)
        (snapshot.totals.connections, snapshot.connectionCount) = (3000, 2900)
        let open = try #require(lines(snapshot, [.character("2")]).first { $0.contains("open responses") })
        #expect(open.contains("open responses 3,000") && open.contains("first 12 of 3,000"), "\(open)")
        let connections = try #require(lines(snapshot, [.character("3")]).first { $0.contains("connections 3,0") })
        #expect(connections.contains("first 12 of 2,900"), "\(connections)")
    }
}
