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
