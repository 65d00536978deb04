// SPDX-License-Identifier: MIT
import TailraceModel

/// What the tasks do: by time, by server, and by where they were created.
enum TasksView {
    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ body: Area) {
        var body = body
        let isTall = body.height >= 20
        if isTall {
            let hasGroups = !snapshot.tasks.groups.isEmpty
            var upper = body.takeTop(max(8, hasGroups ? body.height / 3 : body.height - snapshot.servers.count - 8))
            if upper.width >= 110 {
                lines(snapshot, on: &canvas, upper.takeLeft(upper.width / 2))
                Charts.curve(snapshot, on: &canvas, upper)
            } else {
                lines(snapshot, on: &canvas, upper)
            }
        }
        let servers = min(snapshot.servers.count + 3, max(4, body.height / 2))
        ServersList.draw(snapshot, state, on: &canvas, body.takeTop(max(4, servers)))
        TaskGroupsList.draw(snapshot, state, on: &canvas, body)
    }

    private static func lines(_ snapshot: Snapshot, on canvas: inout Canvas, _ area: Area) {
        let lines = snapshot.tasks.lines
        let inside = canvas.box(area, title: "open tasks over time", note: "last \(snapshot.series.open.count) s")
        let highest = lines.flatMap { $0.counts.compactMap { $0 } }.max() ?? 0
        guard highest > 0, inside.width > 20, inside.height > 1 else {
            return canvas.say("No task and no response was open in the last minutes.", in: inside)
        }
        var plot = inside
        let labels = plot.takeLeft(18)
        let styles = lines.indices.map { Style(.series($0)) }
        let capacity = canvas.lineCapacity(plot.width)
        canvas.line(
            lines.map { line in
                line.counts.isEmpty || capacity <= line.counts.count
                    ? line.counts : (0..<capacity).map { line.counts[$0 * line.counts.count / capacity] }
            }, in: plot, styles: styles, range: 0...highest)
        canvas.put(
            Wording.short(highest), row: labels.row, column: labels.column, width: 17, style: .dim, alignRight: true)
        for (place, line) in lines.enumerated() where place + 1 < labels.height - 1 {
            let now = line.counts.suffix(2).compactMap { $0 }.last.map { Wording.short($0) } ?? "-"
            canvas.put(
                "\(line.provider) \(now)", row: labels.row + 1 + place, column: labels.column, width: 17,
                style: styles[place], alignRight: true)
        }
        canvas.put("0", row: labels.endRow - 1, column: labels.column, width: 17, style: .dim, alignRight: true)
    }
}

/// Server processes.
enum ServersList {
    private static let columns = [
        Column(title: "SERVER", width: 14, isRight: false, grows: true, most: 30),
        Column(title: "IN FLIGHT", width: 9),
        Column(title: "CONNS", width: 6, rank: 2),
        Column(title: "TASKS", width: 7),
        Column(title: "BY", width: 8, isRight: false, rank: 3),
        Column(title: "UNEXPLAINED", width: 11, rank: 4),
        Column(title: "GROWTH/min", width: 10, rank: 1),
        Column(title: "BLOCKED", width: 7, rank: 5),
        Column(title: "UNSENT", width: 8),
        Column(title: "HELD SOME", width: 9, isRight: false, rank: 6, grows: true, most: 24),
        Column(title: "%", width: 5),
    ]

    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area) {
        let rows = snapshot.servers
        let isFocused = state.focus == .servers
        let inside = canvas.box(
            area, title: "servers \(rows.count)", note: "Enter: its responses", isFocused: isFocused)
        guard !rows.isEmpty else { return canvas.say("No server has a connection that is followed.", in: inside) }
        let selected = state.selectedPlace(.servers, in: rows.map { .server($0.server.pid) })
        canvas.table(columns, in: inside, rows: rows.count, selected: isFocused ? selected : nil) { cell(rows[$0], $1) }
    }

    private static func cell(_ row: ServerRow, _ column: Int) -> CellContent {
        let growing = row.trend.map { $0.probability < 0.01 && $0.slopeRange.lowerBound > 0 } ?? false
        let style = growing ? Style(.severity(.warning), isBold: true) : Style.plain
        switch column {
        case 0: return .text("\(row.server.comm)[\(row.server.pid)]", .bold)
        case 1: return .text(Wording.short(Double(row.inFlight)), .plain)
        case 2: return .text(Wording.short(Double(row.connections)), .plain)
        case 3: return .text(row.tasks?.open.map { Wording.short(Double($0)) } ?? "-", row.tasks == nil ? .dim : .bold)
        case 4: return .text(row.tasks?.provider ?? "-", .dim)
        case 5: return .text(row.trend.map { Wording.short($0.unexplained) } ?? "-", style)
        case 6: return .text(row.trend.map { Wording.short($0.slope * 60) } ?? "-", style)
        case 7:
            return .text(
                Wording.short(Double(row.blockedWriters)), row.blockedWriters > 0 ? Style(.stage(.blocked)) : .dim)
        case 8: return .text(Wording.size(row.unsentBytes), Wording.unsent(row.unsentBytes))
        case 9: return .bar(row.pressure.all.some.avg10 / 100, Style(.severity(.warning)))
        default: return .text(Quantity.percent(row.pressure.all.some.avg10 / 100), .plain)
        }
    }
}

/// The census.
enum TaskGroupsList {
    private static let columns = [
        Column(title: "TASKS", width: 7),
        Column(title: "GROWTH/min", width: 10, rank: 1),
        Column(title: "OLDEST", width: 7, rank: 3),
        Column(title: "STATE", width: 9, isRight: false, rank: 4),
        Column(title: "WAITS FOR", width: 14, isRight: false, grows: true, most: 24),
        Column(title: "CREATED BY", width: 28, isRight: false, grows: true, most: 60),
        Column(title: "WAITS AT", width: 20, isRight: false, rank: 5, grows: true, most: 60),
        Column(title: "PID", width: 7, rank: 2),
    ]

    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area) {
        let groups = snapshot.tasks.groups
        let isFocused = state.focus == .taskGroups
        let age = snapshot.tasks.counted.map { "counted \(Wording.age(max(0, snapshot.at - $0))) ago" } ?? ""
        let inside = canvas.box(area, title: "task groups \(groups.count)", note: age, isFocused: isFocused)
        guard !groups.isEmpty else {
            return canvas.say(
                "No census was taken here: `tailrace tasks PID` groups the open tasks of a process.",
                in: inside)
        }
        let selected = state.selectedPlace(.taskGroups, in: groups.map { .taskGroup($0.id) })
        canvas.table(columns, in: inside, rows: groups.count, selected: isFocused ? selected : nil) {
            cell(groups[$0], $1)
        }
    }

    private static func cell(_ row: TaskPicture.Group, _ column: Int) -> CellContent {
        let group = row.group
        let base: Style = group.isSystem ? .dim : .plain
        switch column {
        case 0: return .text(Wording.short(Double(group.count)), group.isSystem ? .dim : .bold)
        case 1:
            let isGrowing = (row.growth ?? 0) >= 1
            let sign = isGrowing ? "+" : ""
            return .text(
                row.growth.map { sign + Wording.short($0) } ?? "-", isGrowing ? Style(.severity(.warning)) : .dim)
        case 2: return .text(group.oldest.map { Wording.age($0) } ?? "-", base)
        case 3: return .text(group.state, base)
        case 4: return .text(group.waitsFor ?? "-", base)
        case 5:
            return .text(group.createdBy?.words ?? "-", base)
        case 6: return .text(group.waitsAt?.words ?? "-", base)
        default: return .text("\(row.pid)", .dim)
        }
    }
}
