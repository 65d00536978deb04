// SPDX-License-Identifier: MIT
import TailraceModel

/// The keys, on one page at any size.
enum HelpView {
    private struct Entry {
        let key, words: String
        /// The same in little room.
        let short: String
    }

    private static let live = [
        Entry(key: "1 2 3 4 5", words: "overview, responses, connections, tasks, findings", short: "choose a view"),
        Entry(key: "up down", words: "select a row; also k j PgUp PgDn Home End G", short: "select a row"),
        Entry(key: "Enter", words: "open what is selected: response, finding, group", short: "open it"),
        Entry(key: "Esc", words: "one step back", short: "one step back"),
        Entry(key: "Tab", words: "the other list of this view; in the overview also charts", short: "list, charts"),
        Entry(key: "e", words: "the list fills the view, or not", short: "expand the list"),
        Entry(key: "/", words: "filter: path, peer, server, stage or holder", short: "filter"),
        Entry(key: "n N", words: "next and previous row", short: "next row, last"),
        Entry(key: "s S", words: "sort by the next column; reverse", short: "sort, reverse"),
        Entry(key: "g", words: "group by server, peer, path", short: "group"),
        Entry(key: "a", words: "acknowledge a finding", short: "acknowledge"),
        Entry(key: "space f", words: "freeze; tracing goes on", short: "freeze"),
        Entry(key: "[ ]", words: "back in time, and forth: the last minute", short: "back in time"),
        Entry(key: "R", words: "record what is traced, or stop that", short: "record"),
        Entry(key: "y E", words: "save the selected row, or all, as JSON", short: "save row, all"),
        Entry(key: "Ctrl-L", words: "draw everything anew", short: "draw anew"),
        Entry(key: "q Ctrl-C", words: "quit", short: "quit"),
    ]
    private static let replay = [
        Entry(key: "space", words: "play, or stand still", short: "play, pause"),
        Entry(key: "left right", words: "a second back, or on", short: "1 s back, on"),
        Entry(key: "+ -", words: "faster, slower", short: "faster, slower"),
        Entry(key: "n N", words: "on to the next finding, or back to the one before", short: "next finding"),
    ]

    static func draw(_ snapshot: Snapshot, on canvas: inout Canvas, _ body: Area) {
        var keys = live
        if case .replay = snapshot.facts.mode {
            keys.removeAll { $0.key == "R" || $0.key == "n N" || $0.key == "space f" }
            keys.insert(contentsOf: replay + [Entry(key: "f", words: "freeze", short: "freeze")], at: 4)
        }
        let inside = canvas.box(body, title: "keys", note: "any key closes this", isFocused: true)
        let columns = keys.count + 6 > inside.height && inside.width >= 110 ? 2 : keys.count > inside.height ? 2 : 1
        let rows = (keys.count + columns - 1) / columns
        let width = inside.width / columns
        for (place, entry) in keys.enumerated() where place % rows < inside.height {
            let column = inside.column + 1 + place / rows * width
            let row = inside.row + place % rows
            let room = columns > 1 ? 10 : 12
            canvas.put(entry.key, row: row, column: column, width: room, style: Style(.key, isBold: true))
            let words = entry.words.count <= width - room - 3 ? entry.words : entry.short
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
