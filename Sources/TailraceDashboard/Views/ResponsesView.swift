// SPDX-License-Identifier: MIT
import TailraceModel

/// Open responses, and the slowest that ended.
enum ResponsesView {
    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ body: Area) {
        var body = body
        let ended = state.ended(of: snapshot).count
        let open = max(1, state.rows(of: .responses, in: snapshot).count)
        let lower = max(4, min(ended + 3, max(body.height / 3, body.height - open - 3)))
        guard body.height >= 12 else {
            // Room for one list: the one that keys go to.
            return Lists.draw(state.focus, snapshot, state, on: &canvas, body)
        }
        EndedList.draw(snapshot, state, on: &canvas, body.takeBottom(lower))
        OpenList.draw(snapshot, state, on: &canvas, body)
    }
}

/// Open responses, or groups of them.
enum OpenList {
    private static let columns = [
        Column(title: "WAIT", width: 7),
        Column(title: "HELD BY", width: 13, isRight: false),
        Column(title: "STAGE", width: 7, isRight: false),
        Column(title: "UNSENT", width: 8),
        Column(title: "QUEUED", width: 8, rank: 5),
        Column(title: "DRAINS", width: 10, rank: 4),
        Column(title: "AGE", width: 7, rank: 1),
        Column(title: "GAP NOW", width: 7, rank: 6),
        Column(title: "USUAL", width: 7, rank: 7),
        Column(title: "RTT", width: 7, rank: 8),
        Column(title: "FLUSHES", width: 7, rank: 9),
        Column(title: "TASKS", width: 6, rank: 10),
        Column(title: "PEER", width: 15, isRight: false, grows: true, most: 47, whole: 47),
        Column(title: "SERVER", width: 14, isRight: false, rank: 3, grows: true, most: 20),
        Column(title: "REQUEST", width: 20, isRight: false, rank: 2, grows: true, most: 80, whole: 30),
    ]
    /// What is worth less than a peer or a request that is whole.
    private static let extra = 6

    /// What can be sorted by in a picture of that width.
    static func orders(width: Int) -> [RowOrder] {
        let layout = TableLayout(columns, width: width - 3)
        return RowOrder.allCases.filter { order in
            columns.firstIndex { $0.title == heading(order) }.map { layout.shows($0) } ?? false
        }
    }

    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area) {
        if state.request.grouping != .none { return GroupList.draw(snapshot, state, on: &canvas, area) }
        let rows = state.responses(of: snapshot)
        let count = state.count(rows.count, snapshot.openCount, in: snapshot)
        let filter = state.request.filter
        let title = Wording.title("open responses", count, of: snapshot.totals.open, filter)
        let order = state.request.order
        let selected = state.selectedPlace(.responses, in: rows.map { .response($0.key) })
        let isFocused = state.focus == .responses
        let shown = canvas.shown(rows.count, selected: selected, height: area.height - 3)
        let notes = Wording.notes(shown, of: rows.count, of: count, "sort \(order.rawValue)")
        let inside = canvas.box(
            area, title: title, note: canvas.note(notes, beside: title, in: area), isFocused: isFocused)
        guard !rows.isEmpty else {
            return canvas.say(Wording.nothing("No response is open.", snapshot.totals.open, filter), in: inside)
        }
        canvas.table(
            columns, in: inside, rows: rows.count, selected: isFocused ? selected : nil,
            sorted: (heading(order), state.request.isReversed), extra: extra
        ) { cell(rows[$0], $1) }
    }

    private static func heading(_ order: RowOrder) -> String {
        switch order {
        case .wait: "WAIT"
        case .unsent: "UNSENT"
        case .queued: "QUEUED"
        case .age: "AGE"
        case .gap: "GAP NOW"
        case .rtt: "RTT"
        case .peer: "PEER"
        case .server: "SERVER"
        case .request: "REQUEST"
        }
    }

    private static func cell(_ row: ResponseRow, _ column: Int) -> CellContent {
        switch column {
        case 0: return .text(row.wait > 0 ? Quantity.duration(row.wait) : "0", Wording.wait(row.wait))
        case 1:
            let word = row.holder == .nobody && row.isClientGone ? "client gone" : row.holder.word
            return .text(word.isEmpty ? "-" : word, row.holder == .nobody ? .dim : Wording.holder(row.holder))
        case 2: return .text(row.stage.rawValue, Style(.stage(row.stage)))
        case 3: return .text(Wording.size(row.unsentBytes), Wording.unsent(row.unsentBytes))
        case 4: return .text(Wording.size(row.queuedBytes), row.queuedBytes == 0 ? .dim : .plain)
        case 5: return .text(Wording.rate(row.drained), row.drained == nil ? .dim : .plain)
        case 6: return .text(row.duration.map { Wording.age($0) } ?? "-", .plain)
        case 7: return .text(row.silence.map { Wording.age($0) } ?? "-", gap(row))
        case 8: return .text(Quantity.duration(row.gap), .dim)
        case 9: return .text(Quantity.duration(row.rtt), .dim)
        case 10: return .text(row.flushes.map { Wording.short(Double($0)) } ?? "-", .dim)
        case 11: return .text(row.tasks.map { Wording.short(Double($0)) } ?? "-", .dim)
        case 12: return .peer(row.remote, .bold)
        case 13: return .text(row.serverName, .plain)
        default: return .text(Wording.request(row), row.isUnseen ? .dim : .plain)
        }
    }

    /// Silent for far longer than usual.
    private static func gap(_ row: ResponseRow) -> Style {
        guard let silence = row.silence, let gap = row.gap, gap > 0 else { return .dim }
        return silence > 1_000_000_000 && silence > 10 * gap ? Style(.severity(.warning)) : .plain
    }
}

/// Open responses put together.
enum GroupList {
    private static let columns = [
        Column(title: "GROUP", width: 16, isRight: false, grows: true, most: 80),
        Column(title: "OPEN", width: 6), Column(title: "HELD", width: 6), Column(title: "LONGEST", width: 8),
        Column(title: "HELD BY", width: 13, isRight: false, rank: 1), Column(title: "UNSENT", width: 8),
        Column(title: "QUEUED", width: 8, rank: 2), Column(title: "OLDEST", width: 7, rank: 3),
    ]

    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area) {
        let groups = state.groups(of: snapshot)
        let note = "by \(state.request.grouping.rawValue), Enter opens one"
        let isFocused = state.focus == .responses
        let filter = state.request.filter
        let rows = state.count(groups.reduce(0) { $0 + $1.count }, snapshot.openCount, in: snapshot)
        let title = Wording.title("open responses", rows, of: snapshot.totals.open, filter)
        let inside = canvas.box(area, title: title, note: note, isFocused: isFocused)
        guard !groups.isEmpty else {
            return canvas.say(Wording.nothing("No response is open.", snapshot.totals.open, filter), in: inside)
        }
        let selected = state.selectedPlace(.responses, in: groups.map { .group($0.name) })
        canvas.table(columns, in: inside, rows: groups.count, selected: isFocused ? selected : nil) { row, column in
            let group = groups[row]
            switch column {
            case 0: return .text(group.name, .bold)
            case 1: return .text(Wording.short(Double(group.count)), .plain)
            case 2:
                return .text(
                    Wording.short(Double(group.waiting)), group.waiting > 0 ? Style(.severity(.warning)) : .dim)
            case 3: return .text(group.wait > 0 ? Quantity.duration(group.wait) : "0", Wording.wait(group.wait))
            case 4: return .text(group.holder == .nobody ? "-" : group.holder.word, Wording.holder(group.holder))
            case 5: return .text(Wording.size(group.unsentBytes), Wording.unsent(group.unsentBytes))
            case 6: return .text(Wording.size(group.queuedBytes), .plain)
            default: return .text(group.age.map { Wording.age($0) } ?? "-", .plain)
            }
        }
    }
}

/// The slowest that ended.
enum EndedList {
    private static let columns = [
        Column(title: "TOOK", width: 7),
        Column(title: "WHERE ITS TIME WENT", width: 20, isRight: false, grows: true, most: 60),
        Column(title: "HELD", width: 7),
        Column(title: "HELD BY", width: 13, isRight: false, rank: 3),
        Column(title: "UNSENT", width: 8, rank: 5),
        Column(title: "ENDED", width: 13, isRight: false, rank: 4),
        Column(title: "STATUS", width: 6, rank: 6),
        Column(title: "PEER", width: 15, isRight: false, grows: true, most: 47, whole: 47),
        Column(title: "SERVER", width: 12, isRight: false, rank: 2, grows: true, most: 22),
        Column(title: "REQUEST", width: 10, isRight: false, rank: 1, grows: true, most: 60, whole: 30),
    ]
    private static let extra = 5

    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area) {
        let rows = state.ended(of: snapshot)
        let isFocused = state.focus == .ended
        let filter = state.request.filter
        let all = snapshot.ended.count
        let title = filter.isEmpty ? "slowest that ended" : Wording.title("slowest", rows.count, of: all, filter)
        let selected = state.selectedPlace(.ended, in: rows.map { .response($0.key) })
        let shown = canvas.shown(rows.count, selected: isFocused ? selected : nil, height: area.height - 3)
        let notes = Wording.notes(shown, of: rows.count, of: rows.count, "last 2 minutes")
        let inside = canvas.box(
            area, title: title, note: canvas.note(notes, beside: title, in: area), isFocused: isFocused)
        guard !rows.isEmpty else {
            return canvas.say(Wording.nothing("No response has ended yet.", all, filter), in: inside)
        }
        canvas.table(
            columns, in: inside, rows: rows.count, selected: isFocused ? selected : nil, extra: extra
        ) { row, column in
            let ended = rows[row]
            switch column {
            case 0: return .text(ended.duration.map { Wording.age($0) } ?? "-", .bold)
            case 1: return .parts(ended.timeline.map { Wording.parts($0) } ?? [])
            case 2: return .text(Quantity.duration(ended.wait), Wording.wait(ended.wait))
            case 3: return .text(ended.holder.word.isEmpty ? "-" : ended.holder.word, Wording.holder(ended.holder))
            case 4: return .text(Wording.size(ended.unsentBytes), Wording.unsent(ended.unsentBytes))
            case 5:
                return .text(
                    ended.endedBy?.rawValue ?? "-", ended.endedBy == .complete ? .dim : Style(.severity(.warning)))
            case 6:
                let isBad = (ended.status ?? 0) >= 500
                return .text(ended.status.map(String.init) ?? "-", isBad ? Style(.severity(.warning)) : .plain)
            case 7: return .peer(ended.remote, .plain)
            case 8: return .text(ended.serverName, .plain)
            default: return .text(Wording.request(ended), .plain)
            }
        }
    }
}
