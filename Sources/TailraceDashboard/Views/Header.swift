// SPDX-License-Identifier: MIT
import TailraceModel

/// What runs, which view it is, and whether what is shown is now.
enum Header {
    static func draw(
        _ snapshot: Snapshot, newest: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ body: inout Area
    ) {
        let line = body.takeTop(1)
        let used = mode(snapshot, newest, state, on: &canvas, line)
        tabs(snapshot, state, on: &canvas, Area(row: line.row, column: 0, width: line.width - used - 1, height: 1))
        if body.height >= 24 { facts(snapshot.facts, on: &canvas, body.takeTop(1)) }
    }

    /// At the right end; the cells that it took.
    private static func mode(
        _ snapshot: Snapshot, _ newest: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ line: Area
    ) -> Int {
        let glyphs = canvas.glyphs
        let clock = Wording.clock(snapshot.facts.anchor.wall(at: snapshot.at))
        var (word, style) = ("LIVE", Style(.good, isBold: true, isReversed: true))
        if case .replay(let position) = newest.facts.mode {
            let share = position.end.map { end in
                let length = Double(max(1, end - position.begin))
                return " \(Quantity.percent(Double(position.at - position.begin) / length))"
            }
            let sign = position.isPlaying ? glyphs.play : position.isAtEnd ? "end" : glyphs.pause
            let speed = position.speed == 1 ? "" : " x\(Wording.short(position.speed))"
            word = "REPLAY \(sign)\(speed)\(share ?? "")"
            style = Style(.title, isBold: true, isReversed: true)
        }
        if state.isFrozen {
            word = "FROZEN \(Wording.age(max(0, newest.at - snapshot.at)))"
            style = Style(.severity(.warning), isBold: true, isReversed: true)
        }
        let text = " \(word) "
        let width = canvas.width(of: text) + clock.count + 2
        let column = line.width - width
        canvas.put(text, row: line.row, column: column, style: style)
        canvas.put(clock, row: line.row, column: line.width - clock.count - 1, style: .bold)
        return width
    }

    private static func tabs(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area) {
        var column = 1 + canvas.put("tailrace", row: area.row, column: 1, style: .title) + 2
        let open = snapshot.findings.count { $0.end == nil && !state.acknowledged.contains($0.id) }
        let isWide = area.width >= 72
        for view in DashboardView.allCases {
            let isShown = view == state.view
            var name = isWide || isShown ? " \(view.name)" : ""
            if view == .findings, open > 0 { name += " (\(open))" }
            let room = area.width - column
            guard room > 2 else { return }
            let text = " \(view.rawValue)\(name) "
            let style = isShown ? Style(.title, isBold: true, isReversed: true) : .plain
            column += canvas.put(text, row: area.row, column: column, width: room, style: style)
            if !isShown {
                canvas.put(
                    "\(view.rawValue)", row: area.row, column: column - canvas.width(of: text) + 1, width: 1,
                    style: Style(.key, isBold: true))
            }
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
        if !facts.message.isEmpty { return say(&canvas, facts.message, Style(.title)) }
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

/// The sentence.
enum VerdictLine {
    static func draw(_ verdict: Verdict, on canvas: inout Canvas, _ body: inout Area) {
        guard !verdict.clauses.isEmpty else { return }
        let most = body.height >= 24 ? 2 : 1
        let length = canvas.width(of: verdict.sentence) + 4
        let area = body.takeTop(length > body.width ? most : 1)
        let isBad = verdict.severity != nil
        let mark = verdict.severity.map { canvas.glyphs.mark($0) } ?? canvas.glyphs.good
        let markStyle = verdict.severity.map { Style(.severity($0), isBold: true) } ?? Style(.good, isBold: true)
        canvas.put(mark, row: area.row, column: 1, width: 2, style: markStyle)
        var (row, column) = (0, isBad || canvas.width(of: mark) < 2 ? 3 : 4)
        for clause in verdict.clauses {
            for word in clause.text.split(separator: " ") {
                let width = canvas.width(of: String(word))
                if column + width > area.width - 1, row + 1 < area.height { (row, column) = (row + 1, 3) }
                guard column < area.width - 1 else { return }
                column +=
                    canvas.put(
                        String(word), row: area.row + row, column: column, width: area.width - 1 - column,
                        style: style(clause.subject)) + 1
            }
        }
    }

    private static func style(_ subject: Verdict.Clause.Subject) -> Style {
        switch subject {
        case .data: .dim
        case .latency: .bold
        case .stage(let stage): Style(.stage(stage), isBold: true)
        case .holder(let holder): Wording.holder(holder)
        case .loss, .tasks, .finding: Style(.severity(.warning))
        case .calm: .plain
        }
    }
}
