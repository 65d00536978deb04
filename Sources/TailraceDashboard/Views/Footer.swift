// SPDX-License-Identifier: MIT
import TailraceModel

/// The keys of what is shown now, or the filter that is being typed, or, where the header has no room for it, what was done last.
enum Footer {
    static func draw(
        _ snapshot: Snapshot, newest: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ line: Area
    ) {
        if let typing = state.typing {
            let used = canvas.put("/", row: line.row, column: 1, style: Style(.key, isBold: true))
            let text = canvas.put(typing, row: line.row, column: 1 + used, width: max(1, line.width / 2))
            canvas.put("_", row: line.row, column: 1 + used + text, style: Style(.key, isBold: true))
            let help = "Enter keeps it, Esc clears it: path, peer, server, stage or holder"
            canvas.put(help, row: line.row, column: used + text + 4, style: .dim)
            return
        }
        if canvas.rows < Header.leastRows, !newest.facts.message.isEmpty {
            let message = canvas.shortened(newest.facts.message, to: line.width - 2)
            canvas.put(message, row: line.row, column: 1, width: line.width - 2, style: Style(.title))
            return
        }
        var column = 1
        for (key, words) in keys(snapshot, newest, state, canvas.glyphs) {
            let width = canvas.width(of: key) + canvas.width(of: words) + 1
            guard column + width < line.width else { break }
            column += canvas.put(key, row: line.row, column: column, style: Style(.key, isBold: true)) + 1
            column += canvas.put(words, row: line.row, column: column, style: .dim) + 2
        }
    }

    private static func keys(
        _ snapshot: Snapshot, _ newest: Snapshot, _ state: InterfaceState, _ glyphs: Glyphs
    ) -> [(String, String)] {
        if state.isHelpShown { return [("any key", "closes the help"), ("q", "quit")] }
        var keys = [("q", "quit"), ("?", "help")]
        switch state.details.last {
        case .finding?: keys += [("Esc", "back"), ("Enter", "its response"), ("a", "acknowledge")]
        case .response?: keys += [("Esc", "back"), (glyphs.upDown, "next response")]
        case nil: keys += ofList(snapshot, state, glyphs)
        }
        if case .replay(let position) = newest.facts.mode {
            keys += [
                ("space", position.isPlaying ? "pause" : "play"), (glyphs.leftRight, "1 s"), ("n", "next finding"),
            ]
            keys += [("+ -", "speed"), ("f", "freeze")]
        } else {
            keys += [("space", state.isFrozen ? "go on" : "freeze"), ("[ ]", "back in time"), ("R", "record")]
        }
        if state.details.isEmpty { keys += ofRows(snapshot, state) }
        return keys + [("y", "save row"), ("1-5", "view")]
    }

    private static func ofList(
        _ snapshot: Snapshot, _ state: InterfaceState, _ glyphs: Glyphs
    ) -> [(String, String)] {
        let other = state.view == .overview ? "other list, charts" : "other list"
        let tab = state.view.panes.count > 1 ? [("Tab", other)] : []
        guard state.focus != .charts else { return tab }
        return [(glyphs.upDown, "select"), ("Enter", "open")] + tab
    }

    /// Only what the list takes.
    private static func ofRows(_ snapshot: Snapshot, _ state: InterfaceState) -> [(String, String)] {
        var keys: [(String, String)] = []
        if state.focus.isFiltered {
            keys.append(("/", state.request.filter.isEmpty ? "filter" : "filter: \(state.request.filter)"))
        }
        if state.isSortable { keys.append(("s S", "sort")) }
        if state.focus == .responses { keys.append(("g", "group")) }
        keys.append(("e", "expand"))
        return snapshot.findings.isEmpty ? keys : keys + [("a", "acknowledge")]
    }
}
