// SPDX-License-Identifier: MIT
import TailraceModel

/// What runs, which view it is, and whether what is shown is now. What the run says of itself is always the newest: also while
/// the picture is frozen, a key that was pressed is answered.
enum Header {
    /// Rows from which there is room for a line of facts.
    static let leastRows = 25

    static func draw(
        _ snapshot: Snapshot, newest: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ body: inout Area
    ) {
        let line = body.takeTop(1)
        let used = mode(snapshot, newest, state, on: &canvas, line)
        let rest = Area(row: line.row, column: 0, width: line.width - used - 1, height: 1)
        let isShort = canvas.rows < leastRows
        let notices = isShort ? notices(newest.facts, canvas.glyphs) : []
        tabs(snapshot, state, notices, on: &canvas, rest)
        if !isShort { facts(newest.facts, on: &canvas, body.takeTop(1)) }
    }

    /// At the right end; the cells that it took.
    private static func mode(
        _ snapshot: Snapshot, _ newest: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ line: Area
    ) -> Int {
        let clock = Wording.clock(snapshot.facts.anchor.wall(at: snapshot.at))
        var (word, style) = ("LIVE", Style(.good, isBold: true, isReversed: true))
        if case .replay(let position) = newest.facts.mode {
            word = "REPLAY " + words(position, canvas.glyphs)
            style = Style(.title, isBold: true, isReversed: true)
        }
        if state.isFrozen {
            let age = "FROZEN \(Wording.age(max(0, newest.at - snapshot.at)))"
            word = newest.facts.mode == .live ? age : "\(age), \(word)"
            style = Style(.severity(.warning), isBold: true, isReversed: true)
        }
        let text = " \(word) "
        let width = canvas.width(of: text) + clock.count + 2
        let column = line.width - width
        canvas.put(text, row: line.row, column: column, style: style)
        canvas.put(clock, row: line.row, column: line.width - clock.count - 1, style: .bold)
        return width
    }

    private static func words(_ position: ReplayPosition, _ glyphs: Glyphs) -> String {
        let share = position.end.map { end in
            let length = Double(max(1, end - position.begin))
            return " \(Quantity.percent(min(1, Double(position.at - position.begin) / length)))"
        }
        let sign =
            position.isSeeking
            ? "seeking" : position.isPlaying ? glyphs.play : position.isAtEnd ? "end" : glyphs.pause
        let speed = position.speed == 1 ? "" : " x\(Wording.short(position.speed))"
        return "\(sign)\(speed)\(share ?? "")"
    }

    private typealias Notice = (text: String, style: Style)
    /// Which views are named: all, the one that is shown, none.
    private enum Naming { case all, shown, none }

    /// In one line with the views: what matters most first.
    private static func notices(_ facts: RunFacts, _ glyphs: Glyphs) -> [Notice] {
        var notices: [Notice] = []
        if facts.recordingFile != nil {
            notices.append(("\(glyphs.record) REC", Style(.severity(.critical), isBold: true)))
        }
        let lost = facts.loss.unseen
        if lost > 0 {
            notices.append(("lost \(Wording.short(Double(lost)))", Style(.severity(.warning), isBold: true)))
        }
        if let share = facts.ownShare { notices.append(("own \(Wording.digits(share * 100)) %", .dim)) }
        if let rate = facts.eventsPerSecond { notices.append(("\(Wording.short(rate)) ev/s", .plain)) }
        if !facts.backend.isEmpty { notices.append((facts.backend, .dim)) }
        return notices
    }

    private static func label(_ view: DashboardView, _ state: InterfaceState, _ open: Int, _ naming: Naming) -> String {
        let isShown = view == state.view
        var name = naming == .all || isShown && naming == .shown ? " \(view.name)" : ""
        if view == .findings, open > 0 { name += " (\(open))" }
        return " \(view.rawValue)\(name)" + (naming == .all || isShown ? " " : "")
    }

    private static func tabs(
        _ snapshot: Snapshot, _ state: InterfaceState, _ notices: [Notice], on canvas: inout Canvas, _ area: Area
    ) {
        let open = snapshot.findings.count { $0.end == nil && !state.acknowledged.contains($0.id) }
        // Without room names give way to what changes.
        let isNamed = area.width >= 75 || notices.isEmpty
        let fits = { [canvas] (naming: Naming, notices: [Notice]) -> Bool in
            let tabs = DashboardView.allCases.reduce(isNamed ? 12 : 2) {
                $0 + canvas.width(of: label($1, state, open, naming))
            }
            return notices.reduce(tabs + 1) { $0 + canvas.width(of: $1.text) + 1 } <= area.width + 1
        }
        let urgent = notices.filter { $0.style.isBold }
        let naming = fits(.all, notices) ? Naming.all : fits(.shown, urgent) ? .shown : .none
        var column = 1
        if isNamed { column += canvas.put("tailrace", row: area.row, column: 1, style: .title) + 2 }
        for view in DashboardView.allCases {
            let isShown = view == state.view
            // A cell beside the ground of the one that is shown.
            if isShown, naming == .shown, view != .overview { column += 1 }
            let room = area.width - column
            guard room > 2 else { return }
            let text = label(view, state, open, naming)
            let style = isShown ? Style(.title, isBold: true, isReversed: true) : .plain
            let begin = column
            column += canvas.put(text, row: area.row, column: column, width: room, style: style)
            guard !isShown else { continue }
            canvas.put(
                "\(view.rawValue)", row: area.row, column: begin + 1, width: 1, style: Style(.key, isBold: true))
        }
        column += 1
        for notice in notices where column + canvas.width(of: notice.text) <= area.width {
            column += canvas.put(notice.text, row: area.row, column: column, style: notice.style) + 1
        }
    }

    private static func facts(_ facts: RunFacts, on canvas: inout Canvas, _ line: Area) {
        var column = 1
        let say = { (canvas: inout Canvas, text: String, style: Style) in
            guard !text.isEmpty, column < line.width - 1 else { return }
            column += canvas.put(text, row: line.row, column: column, width: line.width - column - 1, style: style) + 2
        }
        if let file = facts.recordingFile {
            say(&canvas, "\(canvas.glyphs.record) recording to \(file)", Style(.severity(.critical), isBold: true))
        }
        if !facts.message.isEmpty {
            return say(&canvas, canvas.shortened(facts.message, to: line.width - column - 1), Style(.title))
        }
        if let rate = facts.eventsPerSecond { say(&canvas, "\(Wording.short(rate)) events/s", .plain) }
        let lost = facts.loss.unseen
        say(
            &canvas, "lost \(Quantity.count(Int64(clamping: lost)))",
            lost > 0 ? Style(.severity(.warning), isBold: true) : Style(.good))
        if let share = facts.ownShare {
            let memory = facts.ownBytes.map { ", \(Quantity.size($0))" } ?? ""
            say(&canvas, "own cost \(Wording.digits(share * 100)) % of a core\(memory)", .dim)
        }
        say(&canvas, facts.target, .plain)
        say(&canvas, facts.host, .dim)
        say(&canvas, facts.kernel.isEmpty ? "" : "Linux \(facts.kernel)", .dim)
        say(&canvas, facts.backend, .dim)
    }
}
