// SPDX-License-Identifier: MIT
import TailraceModel

/// Everything at a glance: where responses wait, whose fault it is, and what the tasks do.
enum OverviewView {
    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ body: Area) {
        var body = body
        if body.height >= 14 { Tiles.draw(snapshot, on: &canvas, body.takeTop(2)) }
        if state.focus == .charts { return Charts.all(snapshot, on: &canvas, body) }
        let stages = StageList.rows(snapshot).count
        let isWide = body.width >= 110
        let isTall = body.height >= 34
        let wanted = stages + (isWide && body.height >= 24 ? 5 : 3)
        let upper = body.takeTop(min(wanted, max(5, body.height * 9 / 20)))
        drawUpper(snapshot, on: &canvas, upper, isWide: isWide)
        if isTall, isWide { drawCharts(snapshot, on: &canvas, body.takeTop(max(7, body.height / 3))) }
        let open = snapshot.findings.count
        // Its frame, its headings, and a row for each, as far as a third of the room or what is spare reaches.
        let spare = body.height - state.rows(of: .responses, in: snapshot).count - 3
        let findings = min(max(3, open + 3), max(3, body.height / 3 + 1, spare))
        guard body.height >= 8 else {
            // Room for one list: the one that keys go to.
            return Lists.draw(state.focus, snapshot, state, on: &canvas, body)
        }
        FindingsList.draw(snapshot, state, on: &canvas, body.takeBottom(findings))
        OpenList.draw(snapshot, state, on: &canvas, body)
    }

    private static func drawUpper(_ snapshot: Snapshot, on canvas: inout Canvas, _ area: Area, isWide: Bool) {
        var area = area
        guard isWide else { return StageList.draw(snapshot, on: &canvas, area) }
        StageList.draw(snapshot, on: &canvas, area.takeLeft(area.width * 11 / 20))
        Charts.heat(snapshot, on: &canvas, area)
    }

    private static func drawCharts(_ snapshot: Snapshot, on canvas: inout Canvas, _ area: Area) {
        var area = area
        Charts.latency(snapshot, on: &canvas, area.takeLeft(area.width * 2 / 5))
        Charts.curve(snapshot, on: &canvas, area.takeLeft(area.width / 2))
        Charts.pressure(snapshot, on: &canvas, area)
    }
}

/// The numbers that matter most, each with its last minute.
enum Tiles {
    private struct Tile {
        let title: String
        let value: String
        var style = Style.bold
        var series: [Double?] = []
    }

    static func draw(_ snapshot: Snapshot, on canvas: inout Canvas, _ area: Area) {
        let tiles = tiles(snapshot)
        let count = max(3, min(tiles.count, area.width / 17))
        let width = (area.width - 1) / count
        for (place, tile) in tiles.prefix(count).enumerated() {
            let column = area.column + 1 + place * width
            canvas.put(tile.title, row: area.row, column: column, width: width - 1, style: .dim)
            let used = canvas.put(tile.value, row: area.row + 1, column: column, width: width - 1, style: tile.style)
            let room = width - 2 - max(used + 1, 8)
            if room >= 3 {
                canvas.spark(
                    tile.series, row: area.row + 1, column: column + max(used + 1, 8), width: room,
                    style: tile.style.ink == .plain ? Style(.series(0)) : tile.style)
            }
        }
    }

    private static func tiles(_ snapshot: Snapshot) -> [Tile] {
        let totals = snapshot.totals
        let series = snapshot.series
        let table = snapshot.isAboutFlushes ? snapshot.flushes : snapshot.responses
        let held = totals.held.reduce(0, +)
        let what = snapshot.isAboutFlushes ? "DELIVERY" : "RESPONSE"
        let isHeld = held > 0
        let heldStyle = Style(isHeld ? .severity(.warning) : .good, isBold: true)
        let p99 = table.total.p99
        // What is wrong first: in little room only the first ones are shown.
        return [
            Tile(title: "HELD > 100 ms", value: Wording.short(Double(held)), style: heldStyle),
            Tile(
                title: "UNSENT", value: Wording.size(totals.unsentBytes),
                style: bold(Wording.unsent(totals.unsentBytes)),
                series: series.unsent),
            Tile(
                title: "\(what) p99", value: p99.map { Quantity.duration($0) } ?? "n<100",
                style: p99 == nil ? .dim : .bold, series: series.p99),
            Tile(title: "OPEN RESPONSES", value: Wording.short(Double(totals.open)), series: series.open),
            Tile(
                title: "OPEN TASKS", value: totals.tasks.map { Wording.short(Double($0)) } ?? "-", series: series.tasks),
            Tile(title: "\(what) p50", value: Quantity.duration(table.total.p50), series: series.p50),
            Tile(title: "ENDED/s", value: Wording.short(totals.endedPerSecond), series: series.ended),
            Tile(title: "OUT", value: Wording.rate(totals.bytesPerSecond), series: series.bytes),
            Tile(title: "SENT AGAIN/s", value: Wording.short(totals.retransmitsPerSecond), series: series.retransmits),
        ]
    }

    private static func bold(_ style: Style) -> Style {
        var style = style
        style.isBold = true
        return style.ink == .dim ? .bold : style
    }
}
