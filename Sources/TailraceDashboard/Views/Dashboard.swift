// SPDX-License-Identifier: MIT
import TailraceModel

/// Frames: what is known, what is wanted and how much room there is, in; cells out. Pure.
public enum Dashboard {
    /// Smallest size that anything but a sentence fits in.
    public static let least = (columns: 60, rows: 15)

    /// One picture.
    public static func frame(
        _ newest: Snapshot, _ state: InterfaceState, columns: Int, rows: Int, _ capabilities: Capabilities
    ) -> Canvas {
        var canvas = Canvas(columns: columns, rows: rows, capabilities: capabilities)
        guard columns >= least.columns, rows >= least.rows else {
            let sentence = "tailrace needs \(least.columns)x\(least.rows) cells; this is \(columns)x\(rows). q quits"
            for (row, line) in Wrapped.lines(sentence, width: columns, most: rows).enumerated() {
                canvas.put(line, row: row, column: 0)
            }
            return canvas
        }
        let snapshot = state.shown(newest)
        var body = canvas.area
        Header.draw(snapshot, newest: newest, state, on: &canvas, &body)
        Footer.draw(snapshot, newest: newest, state, on: &canvas, body.takeBottom(1))
        if state.isHelpShown {
            HelpView.draw(newest, on: &canvas, body)
            return canvas
        }
        VerdictLine.draw(snapshot.verdict, on: &canvas, &body)
        switch state.details.last {
        case .response(let key)?: ResponseDetailView.draw(key, snapshot, newest: newest, on: &canvas, body)
        case .finding(let id)?: FindingDetailView.draw(id, snapshot, state, on: &canvas, body)
        case nil: draw(snapshot, state, on: &canvas, body)
        }
        return canvas
    }

    private static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ body: Area) {
        if state.isExpanded { return Lists.draw(state.focus, snapshot, state, on: &canvas, body) }
        switch state.view {
        case .overview: OverviewView.draw(snapshot, state, on: &canvas, body)
        case .responses: ResponsesView.draw(snapshot, state, on: &canvas, body)
        case .connections: Lists.draw(.connections, snapshot, state, on: &canvas, body)
        case .tasks: TasksView.draw(snapshot, state, on: &canvas, body)
        case .findings: FindingsView.draw(snapshot, state, on: &canvas, body)
        }
    }
}

/// Lists, each in its frame.
enum Lists {
    static func draw(
        _ pane: Pane, _ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area
    ) {
        switch pane {
        case .responses: OpenList.draw(snapshot, state, on: &canvas, area)
        case .ended: EndedList.draw(snapshot, state, on: &canvas, area)
        case .connections: ConnectionsList.draw(snapshot, state, on: &canvas, area)
        case .servers: ServersList.draw(snapshot, state, on: &canvas, area)
        case .taskGroups: TaskGroupsList.draw(snapshot, state, on: &canvas, area)
        case .findings: FindingsList.draw(snapshot, state, on: &canvas, area)
        case .charts: Charts.all(snapshot, on: &canvas, area)
        }
    }
}
