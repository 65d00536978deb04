// SPDX-License-Identifier: MIT
import TailraceModel

/// All findings, with the selected one in words below.
enum FindingsView {
    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ body: Area) {
        var body = body
        let rows = state.findings(of: snapshot)
        if body.height >= 14, let place = state.selectedPlace(.findings, in: rows.map { .finding($0.id) }) {
            let lower = body.takeBottom(max(6, body.height - max(rows.count + 3, 6), body.height / 2))
            FindingDetailView.draw(rows[place].id, snapshot, state, on: &canvas, lower)
        }
        FindingsList.draw(snapshot, state, on: &canvas, body)
    }
}

/// A line for each finding.
enum FindingsList {
    private static let columns = [
        Column(title: "SEVERITY", width: 8, isRight: false),
        Column(title: "SINCE", width: 7),
        Column(title: "LASTED", width: 7, rank: 3),
        Column(title: "FINDING", width: 17, isRight: false),
        Column(title: "SERVER", width: 12, isRight: false, rank: 2, grows: true, most: 20),
        Column(title: "WHAT IT SAYS", width: 20, isRight: false, rank: 1, grows: true, most: 300),
    ]
    private static let lasted = 2

    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area) {
        let rows = state.findings(of: snapshot)
        let open = rows.count { $0.end == nil }
        let isFocused = state.focus == .findings
        let (all, filter) = (snapshot.findings.count, state.request.filter)
        let title =
            filter.isEmpty
            ? "findings \(open) open, \(rows.count - open) over"
            : Wording.title("findings", rows.count, of: all, filter)
        let selected = state.selectedPlace(.findings, in: rows.map { .finding($0.id) })
        let hasHeadings = area.height >= 5
        let shown = canvas.shown(
            rows.count, selected: isFocused ? selected : nil, height: area.height - (hasHeadings ? 3 : 2))
        let keys = "a acknowledges, Enter explains"
        let notes = rows.isEmpty ? [] : Wording.notes(shown, of: rows.count, of: rows.count, keys)
        let note = canvas.note(notes, beside: title, in: area)
        let inside = canvas.box(area, title: title, note: note, isFocused: isFocused)
        guard !rows.isEmpty else {
            return canvas.say(Wording.nothing("Nothing was found.", all, filter), in: inside)
        }
        let glyphs = canvas.glyphs
        // How long an open one lasts is since when it is there.
        let places = Self.columns.indices.filter { $0 != lasted || open < rows.count }
        let columns = places.map { Self.columns[$0] }
        let draw = { (row: Int, column: Int) in cell(rows[row], places[column], snapshot, state, glyphs) }
        if !hasHeadings {
            // No room for headings.
            let above = Area(row: inside.row - 1, column: inside.column, width: inside.width, height: inside.height + 1)
            var scratch = canvas
            scratch.table(columns, in: above, rows: rows.count, selected: isFocused ? selected : nil, cell: draw)
            scratch.box(area, title: title, note: note, isFocused: isFocused)
            canvas = scratch
            return
        }
        canvas.table(columns, in: inside, rows: rows.count, selected: isFocused ? selected : nil, cell: draw)
    }

    private static func cell(
        _ finding: Finding, _ column: Int, _ snapshot: Snapshot, _ state: InterfaceState, _ glyphs: Glyphs
    ) -> CellContent {
        let isQuiet = finding.end != nil || state.acknowledged.contains(finding.id)
        let ink = isQuiet ? Style.dim : Style(.severity(finding.severity), isBold: true)
        switch column {
        case 0:
            let word = finding.end != nil ? "over" : state.acknowledged.contains(finding.id) ? "seen" : ""
            return .text(
                word.isEmpty ? "\(glyphs.mark(finding.severity)) \(glyphs.word(finding.severity))" : "  \(word)", ink)
        case 1: return .text(Wording.age(max(0, snapshot.at - finding.begin)), isQuiet ? .dim : .plain)
        case 2: return .text(finding.end.map { Wording.age(max(0, $0 - finding.begin)) } ?? "", .dim)
        case 3: return .text(finding.anomaly.rawValue, ink)
        case 4: return .text("\(finding.server.comm)[\(finding.server.pid)]", isQuiet ? .dim : .plain)
        default: return .text(finding.summary, isQuiet ? .dim : .plain)
        }
    }
}

/// One finding: what it says, what it rests on, what to do.
enum FindingDetailView {
    static func draw(
        _ id: String, _ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area
    ) {
        guard let finding = snapshot.findings.first(where: { $0.id == id }) else {
            let inside = canvas.box(area, title: "finding")
            return canvas.say("This finding is not known at this moment. Esc goes back.", in: inside)
        }
        let glyphs = canvas.glyphs
        let isOver = finding.end != nil
        var inside = canvas.box(
            area, title: "\(glyphs.mark(finding.severity)) \(finding.anomaly.rawValue)",
            note: isOver ? "over" : state.acknowledged.contains(id) ? "open, acknowledged" : "open")
        let write = { (canvas: inout Canvas, label: String, text: String, style: Style) in
            for (place, line) in Wrapped.lines(text, width: max(20, inside.width - 14), most: 4).enumerated() {
                let row = inside.takeTop(1)
                guard !row.isEmpty else { return }
                if place == 0 { canvas.put(label, row: row.row, column: row.column + 1, width: 10, style: .dim) }
                canvas.put(line, row: row.row, column: row.column + 12, width: row.width - 13, style: style)
            }
        }
        write(&canvas, "says", finding.summary, .bold)
        write(&canvas, "means", finding.anomaly.meaning, .plain)
        write(&canvas, "do", finding.advice, Style(.good))
        let begin = Wording.clock(snapshot.facts.anchor.wall(at: finding.begin))
        let lasted = Wording.age(max(0, (finding.end ?? snapshot.at) - finding.begin))
        let server = "\(finding.server.comm)[\(finding.server.pid)]"
        write(&canvas, "when", "since \(begin) UTC, \(isOver ? "lasted" : "for") \(lasted), server \(server)", .plain)
        if finding.response(in: snapshot) != nil {
            write(&canvas, "response", "Enter shows the response that has most of it", Style(.key))
        }
        drawEvidence(finding.evidence, on: &canvas, inside)
    }

    /// In as many columns as fit.
    private static func drawEvidence(_ evidence: [Evidence], on canvas: inout Canvas, _ area: Area) {
        let texts = evidence.compactMap { item in text(item.value).map { (name(item), $0) } }
        guard area.height > 1, !texts.isEmpty else { return }
        let columns = max(1, area.width / 46)
        let width = (area.width - 2) / columns
        let rows = (texts.count + columns - 1) / columns
        for (place, (name, value)) in texts.enumerated() {
            let row = area.row + 1 + place % rows
            guard row < area.endRow else { continue }
            let column = area.column + 1 + place / rows * width
            let used = max(
                26, min(width - 10, canvas.put(name, row: row, column: column, width: width - 10, style: .dim)))
            canvas.put(value, row: row, column: column + used + 1, width: width - used - 2)
        }
    }

    private static func name(_ item: Evidence) -> String {
        var name = item.name.description
        for unit in ["_ns", "_bytes"] where name.hasSuffix(unit) { name.removeLast(unit.count) }
        return String(name.map { $0 == "_" ? " " : $0 })
    }

    /// nil: not known.
    private static func text(_ value: Evidence.Value) -> String? {
        switch value {
        case .count(let count): count.map { Quantity.count($0) }
        case .bytes(let bytes): bytes.map { Wording.size($0) }
        case .duration(let time): time.map { Quantity.duration($0) }
        case .share(let share): share.map { Quantity.percent($0) }
        case .bytesPerSecond(let rate): rate.map { Wording.rate(Double($0)) }
        case .number(let number): number.map { abs($0) < 10 ? Wording.rho($0) : Wording.short($0) }
        case .text(let text): text
        }
    }
}
