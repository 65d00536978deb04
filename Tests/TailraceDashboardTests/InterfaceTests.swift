// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceDashboard

@Suite("From keys to what is shown")
struct InterfaceTests {
    private let snapshot = SampleSnapshot.make()

    private func pressed(_ keys: [Key], on snapshot: Snapshot) -> InterfaceState {
        var state = InterfaceState()
        for key in keys { _ = state.take(key, snapshot) }
        return state
    }

    @Test("the culprit is one key away, and three through its finding")
    func culprit() {
        let slowest = ResponseKey(cookie: 1, number: 1)
        #expect(pressed([.enter], on: snapshot).details == [.response(slowest)])
        var other = snapshot
        other.findings.removeFirst()
        let state = pressed([.tab, .enter, .enter], on: other)
        #expect(state.details == [.finding("slow-consumer-918-1"), .response(slowest)])
        #expect(state.request.detail == slowest)
        #expect(pressed([.character("5"), .enter, .enter], on: other).details.last == .response(slowest))
    }

    @Test("a selected row stays selected while rows are sorted anew, and its place is kept when it is gone")
    func identity() {
        var state = pressed([.down, .down, .down], on: snapshot)
        let chosen = RowID.response(ResponseKey(cookie: 4, number: 1))
        #expect(state.selected(in: snapshot) == chosen)
        var next = snapshot
        for place in next.open.indices { next.open[place].wait = Int64(place) }
        #expect(state.selected(in: next) == chosen)
        #expect(state.selectedPlace(.responses, in: state.rows(of: .responses, in: next)) == 8)
        next.open.removeAll { $0.key.cookie == 4 }
        #expect(state.selectedPlace(.responses, in: state.rows(of: .responses, in: next)) == 3)
        next.open = []
        #expect(state.selected(in: next) == nil)
        _ = state.take(.down, next)
        _ = state.take(.enter, next)
        #expect(state.details.isEmpty)
    }

    @Test("a frozen picture stays, while its age grows; space goes on")
    func freeze() {
        var state = pressed([.character(" ")], on: snapshot)
        let later = SampleSnapshot.make(at: 1012, open: 3)
        #expect(state.isFrozen && state.shown(later).at == snapshot.at)
        let frame = Dashboard.frame(later, state, columns: 120, rows: 30, .text)
        #expect(frame.lines[0].contains("FROZEN 12.0s"), "\(frame.lines[0])")
        _ = state.take(.character(" "), later)
        #expect(!state.isFrozen && state.shown(later).at == later.at)
    }

    @Test("one looks back second by second, no further than is kept, and returns to now")
    func travel() {
        var state = InterfaceState()
        for at in 0..<200 { state.remember(SampleSnapshot.make(at: 1000 + Int64(at), open: 1)) }
        let now = SampleSnapshot.make(at: 1199, open: 1)
        #expect(state.kept.count == InterfaceState.mostKept)
        _ = state.take(.character("["), now)
        #expect(state.shown(now).at == 1198 * SampleSnapshot.second)
        for _ in 0..<500 { _ = state.take(.character("["), now) }
        #expect(state.shown(now).at == Int64(1200 - InterfaceState.mostKept) * SampleSnapshot.second)
        for _ in 0..<InterfaceState.mostKept { _ = state.take(.character("]"), now) }
        #expect(!state.isFrozen)
        // A recording was played back: what is kept lies in its future.
        state.remember(SampleSnapshot.make(at: 50))
        #expect(state.kept.count == 1)
    }

    @Test("a filter chooses rows as it is typed; Escape clears it, one step at a time")
    func filter() {
        var state = InterfaceState()
        for character in "/stream/1" { _ = state.take(.character(character), snapshot) }
        #expect(state.typing == "stream/1" && state.request.filter == "stream/1")
        #expect(state.rows(of: .responses, in: snapshot).count == 2)  // 1 and 10
        _ = state.take(.enter, snapshot)
        _ = state.take(.character("q"), snapshot)
        #expect(state.typing == nil && state.request.filter == "stream/1")
        _ = state.take(.enter, snapshot)
        #expect(state.details.count == 1)
        _ = state.take(.escape, snapshot)
        _ = state.take(.escape, snapshot)
        #expect(state.details.isEmpty && state.request.filter.isEmpty)
        #expect(state.rows(of: .responses, in: snapshot).count == 12)
    }

    @Test("sorting, grouping and their ends")
    func sorting() {
        var state = pressed([.character("s")], on: snapshot)
        #expect(state.request.order == .unsent)
        _ = state.take(.character("S"), snapshot)
        #expect(state.responses(of: snapshot).first?.unsentBytes == 0)
        state = pressed([.character("g"), .character("g")], on: snapshot)
        #expect(state.request.grouping == .peer && state.groups(of: snapshot).count == 12)
        state = pressed([.character("g"), .enter], on: snapshot)
        #expect(state.request.grouping == .none && state.request.filter == "ws-fanout[918]")
        #expect(state.responses(of: snapshot).allSatisfy { $0.server === SampleSnapshot.server })
    }

    @Test("keys that arrange act on the list that keys go to, and on no other")
    func focus() {
        for view in ["4", "5"] {
            let state = pressed(
                [.character(Character(view)), .character("s"), .character("S"), .character("g")], on: snapshot)
            #expect(state.request == pressed([.character(Character(view))], on: snapshot).request, "view \(view)")
            #expect(!footer(state).contains("sort") && !footer(state).contains("group"))
        }
        var state = pressed([.character("3"), .character("s"), .character("g")], on: snapshot)
        #expect(state.request.connectionOrder == .unsent && state.request.order == .wait)
        #expect(state.request.grouping == .none && footer(state).contains("sort") && !footer(state).contains("group"))
        _ = state.take(.character("S"), snapshot)
        #expect(state.connections(of: snapshot).first?.sample.unsentBytes == 0)
        #expect(state.request.isConnectionReversed && !state.request.isReversed)
        state = pressed([.enter, .character("s"), .character("g"), .character("e"), .character("/")], on: snapshot)
        #expect(state.request.order == .wait && state.request.grouping == .none && !state.isExpanded)
        #expect(state.typing == nil)
        state = pressed([.character("2"), .tab, .character("s")], on: snapshot)
        #expect(state.focus == .ended && state.request.order == .wait)
    }

    private func footer(_ state: InterfaceState) -> String {
        Dashboard.frame(snapshot, state, columns: 200, rows: 45, .text).lines[44]
    }

    @Test("only columns that are in sight are sorted by", arguments: [60, 80, 120, 160])
    func sightedColumns(columns: Int) {
        var state = InterfaceState()
        state.columns = columns
        var orders: Set<RowOrder> = []
        for _ in 0..<RowOrder.allCases.count {
            _ = state.take(.character("s"), snapshot)
            orders.insert(state.request.order)
            let lines = Dashboard.frame(snapshot, state, columns: columns, rows: 24, .text).lines
            let sorted = lines.first { $0.contains("HELD BY") && $0.contains("UNSENT") } ?? ""
            #expect(sorted.contains("v"), "\(state.request.order) is not in \(sorted)")
        }
        #expect(orders.contains(.wait) && orders.contains(.peer) && orders.contains(.rtt) == (columns >= 160))
    }

    @Test("a server's filter chooses its findings too, and every list says what it was chosen by")
    func filteredFindings() throws {
        var state = pressed([.character("4"), .enter], on: snapshot)
        #expect(state.request.filter == "[918]" && state.view == .responses)
        #expect(state.findings(of: snapshot).count == 3)
        var other = snapshot
        let symptom = Symptom(.warning, evidence: [], summary: "of another")
        other.findings.append(
            Finding(id: "task-leak-4121-1", anomaly: .taskLeak, at: other.at, server: SampleSnapshot.other, symptom))
        #expect(state.findings(of: other).map(\.server.pid) == [918, 918, 918])
        _ = state.take(.character("5"), other)
        let frame = Dashboard.frame(other, state, columns: 120, rows: 30, .text).lines
        #expect(frame.contains { $0.contains("findings 3 of 4, filter [918]") }, "\(frame)")
        for (view, title) in [
            ("2", "open responses 8 of 12, filter [918]"), ("2", "slowest 8 of 12, filter [918]"),
            ("3", "connections 8 of 12, filter [918]"),
        ] {
            _ = state.take(.character(Character(view)), other)
            let frame = Dashboard.frame(other, state, columns: 120, rows: 30, .text).lines
            #expect(frame.contains { $0.contains(title) }, "\(title)\n\(frame.joined(separator: "\n"))")
        }
        // By its client, and by the request of its response.
        for (filter, count) in [("10.12.0.0", 1), ("/stream/0", 1), ("slow-consumer", 1), ("nobody", 0)] {
            state = pressed(
                [.character("/")] + filter.map { Key.character($0) } + [.enter, .character("5")], on: snapshot)
            #expect(state.findings(of: snapshot).count == count, "\(filter)")
        }
        let none = Dashboard.frame(snapshot, state, columns: 120, rows: 30, .text).lines
        #expect(none.contains { $0.contains("None of 3 matches nobody. Esc clears the filter.") }, "\(none)")
    }

    @Test("the state of a replay is seen while the picture is frozen")
    func frozenReplay() {
        var replayed = snapshot
        replayed.facts.mode = .replay(
            ReplayPosition(begin: 0, end: 100, at: 43, speed: 64, isPlaying: true, isAtEnd: false))
        let state = pressed([.character("f")], on: replayed)
        let line = Dashboard.frame(replayed, state, columns: 80, rows: 24, .text).lines[0]
        #expect(line.contains("FROZEN") && line.contains("x64") && line.contains("43 %"), "\(line)")
        replayed.facts.mode = .replay(
            ReplayPosition(begin: 0, end: 100, at: 43, speed: 1, isPlaying: false, isAtEnd: false, isSeeking: true))
        let seeking = Dashboard.frame(replayed, InterfaceState(), columns: 80, rows: 24, .text).lines[0]
        #expect(seeking.contains("REPLAY seeking 43 %"), "\(seeking)")
    }

    @Test("an acknowledged finding leaves the count of the tab")
    func acknowledge() {
        let state = pressed([.character("5"), .character("a")], on: snapshot)
        #expect(state.acknowledged == ["task-leak-918-1"])
        let frame = Dashboard.frame(snapshot, state, columns: 120, rows: 30, .text)
        #expect(frame.lines[0].contains("findings (1)"))
    }

    @Test("a replay takes space, arrows and n for itself")
    func replay() {
        var replayed = snapshot
        replayed.facts.mode = .replay(
            ReplayPosition(begin: 0, end: 9, at: 5, speed: 2, isPlaying: true, isAtEnd: false))
        var state = InterfaceState()
        let keys: [(Key, InterfaceAction)] = [
            (.character(" "), .playPause), (.left, .step(-1)), (.right, .step(1)), (.character("n"), .nextFinding),
            (.character("N"), .previousFinding), (.character("+"), .faster), (.character("-"), .slower),
        ]
        for (key, action) in keys {
            let actions = state.take(key, replayed)
            #expect(actions == [action])
        }
        #expect(state.take(.character(" "), snapshot).isEmpty && state.isFrozen)
        #expect(state.take(.interrupt, snapshot) == [.quit])
        #expect(state.take(.character("R"), snapshot) == [.record])
    }
}
