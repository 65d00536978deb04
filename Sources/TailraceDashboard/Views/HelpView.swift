// SPDX-License-Identifier: MIT
import TailraceModel

/// The keys, on one page at any size.
enum HelpView {
    private static let live: [(String, String)] = [
        ("1 2 3 4 5", "overview, responses, connections, tasks, findings"),
        ("up down k j", "select a row; PgUp PgDn Home End G"),
        ("Enter", "open what is selected: response, finding, group"),
        ("Esc", "one step back"),
        ("Tab", "the other list of this view"),
        ("e", "the list fills the view, or not"),
        ("/", "filter: path, peer, server, stage or holder"),
        ("n N", "next and previous row"),
        ("s S", "sort by the next column; reverse"),
        ("g", "group by server, peer, path"),
        ("a", "acknowledge a finding"),
        ("space f", "freeze; tracing goes on"),
        ("[ ]", "back in time, and forth: the last minute"),
        ("R", "record what is traced, or stop that"),
        ("y E", "save the selected row, or all, as JSON"),
        ("Ctrl-L", "draw everything anew"),
        ("q Ctrl-C", "quit"),
    ]
    private static let replay: [(String, String)] = [
        ("space", "play, or stand still"),
        ("left right", "a second back, or on"),
        ("+ -", "faster, slower"),
        ("n N", "on to the next finding, or back to the one before"),
    ]

    static func draw(_ snapshot: Snapshot, on canvas: inout Canvas, _ body: Area) {
        var keys = live
        if case .replay = snapshot.facts.mode {
            keys.removeAll { $0.0 == "R" || $0.0 == "n N" || $0.0 == "space f" }
            keys.insert(contentsOf: replay + [("f", "freeze")], at: 4)
        }
        let inside = canvas.box(body, title: "keys", note: "any key closes this", isFocused: true)
        let columns = keys.count + 6 > inside.height && inside.width >= 110 ? 2 : keys.count > inside.height ? 2 : 1
        let rows = (keys.count + columns - 1) / columns
        let width = inside.width / columns
        for (place, (key, words)) in keys.enumerated() where place % rows < inside.height {
            let column = inside.column + 1 + place / rows * width
            let row = inside.row + place % rows
            let room = columns > 1 ? 10 : 12
            canvas.put(key, row: row, column: column, width: room, style: Style(.key, isBold: true))
            canvas.put(words, row: row, column: column + room + 1, width: width - room - 3)
        }
        drawWords(on: &canvas, inside, from: inside.row + rows + 1)
    }

    /// What the words mean, where there is room.
    private static func drawWords(on canvas: inout Canvas, _ inside: Area, from row: Int) {
        var row = row
        guard row + 3 < inside.endRow else { return }
        let words: [(String, Style, String)] =
            Stage.allCases.map { ($0.rawValue, Style(.stage($0)), $0.meaning) } + [
                ("RHO", .bold, "rank correlation of a stage with open tasks; ! from 0.6 on, if not by chance"),
                ("HELD BY", .bold, "who keeps bytes from moving, by the socket's own clocks"),
                ("SOME FULL", .bold, "share of the time in which one, or all, responses in flight were held"),
            ]
        for (word, style, meaning) in words where row < inside.endRow {
            canvas.put(word, row: row, column: inside.column + 1, width: 10, style: style)
            canvas.put(meaning, row: row, column: inside.column + 12, width: inside.width - 13, style: .dim)
            row += 1
        }
    }
}
