// SPDX-License-Identifier: MIT
import TailraceModel

/// Where the time of the last minute went, by stage, and where open responses are now.
enum StageList {
    /// Stages that have anything to tell.
    static func rows(_ snapshot: Snapshot) -> [Stage] {
        let table = snapshot.isAboutFlushes ? snapshot.flushes : snapshot.responses
        let known = Set(table.rows.filter { $0.times.max > 0 }.map(\.stage))
        return Stage.allCases.filter { known.contains($0) || snapshot.totals.stages[$0.index] > 0 }
    }

    private static let columns = [
        Column(title: "STAGE", width: 9, isRight: false),
        Column(title: "p50", width: 7),
        Column(title: "p99", width: 7),
        Column(title: "OF THE SLOWEST 1 %", width: 12, isRight: false, grows: true, most: 44),
        Column(title: "%", width: 5),
        Column(title: "LAST 60 s", width: 11, isRight: false, rank: 3, grows: true, most: 16),
        Column(title: "RHO", width: 6, rank: 2),
        Column(title: "NOW", width: 5, rank: 1),
    ]

    static func draw(_ snapshot: Snapshot, on canvas: inout Canvas, _ area: Area) {
        let table = snapshot.isAboutFlushes ? snapshot.flushes : snapshot.responses
        let what = snapshot.isAboutFlushes ? "delivery of each flush, by stage" : "response time by stage"
        let note = "last 60 s, n \(Quantity.count(table.count))"
        var inside = canvas.box(area, title: what, note: note)
        let stages = chosen(snapshot, table, room: inside.height - 1)
        guard !stages.isEmpty else {
            return canvas.say("No response has ended in the last minute, and none is open.", in: inside)
        }
        let hasStack = inside.height >= stages.count + 3 && table.slowCount > 0
        let stack = hasStack ? inside.takeBottom(1) : Area(row: 0, column: 0, width: 0, height: 0)
        let worst = table.worst?.stage
        canvas.table(columns, in: inside, rows: stages.count) { row, column in
            let stage = stages[row]
            return cell(
                stage, table.rows.first { $0.stage == stage }, column, now: snapshot.totals.stages[stage.index],
                hasSlow: table.slowCount > 0, isWorst: stage == worst)
        }
        if hasStack { drawStack(table, on: &canvas, stack) }
    }

    /// In little room those with the largest share, still in their order.
    private static func chosen(_ snapshot: Snapshot, _ table: StageTable, room: Int) -> [Stage] {
        let all = rows(snapshot)
        guard all.count > room else { return all }
        let weight = { (stage: Stage) in
            (table.rows.first { $0.stage == stage }?.slowShare ?? 0) + Double(snapshot.totals.stages[stage.index])
                * 1e-6
        }
        let kept = Set(all.sorted { weight($0) > weight($1) }.prefix(max(0, room)))
        return all.filter { kept.contains($0) }
    }

    private static func cell(
        _ stage: Stage, _ row: StageRow?, _ column: Int, now: Int, hasSlow: Bool, isWorst: Bool
    ) -> CellContent {
        let ink = Style(.stage(stage), isBold: isWorst)
        let isKnown = row.map { $0.times.count >= 100 } ?? false
        switch column {
        case 0: return .text(stage.rawValue, ink)
        case 1: return .text(Quantity.duration(row?.times.p50), row?.times.p50 == 0 ? .dim : .plain)
        case 2:
            let text = isKnown ? Quantity.duration(row?.times.p99) : "-"
            return .text(text, isWorst ? ink : row?.times.p99 ?? 0 == 0 ? .dim : .plain)
        case 3: return hasSlow && row != nil ? .bar(row?.slowShare ?? 0, Style(.stage(stage))) : .text("", .dim)
        case 4: return .text(hasSlow && row != nil ? Quantity.percent(row?.slowShare) : "-", isWorst ? ink : .plain)
        case 5: return .spark(row?.recent ?? [], Style(.stage(stage)))
        case 6:
            let isClimbing = row?.isClimbing ?? false
            return .text(
                Wording.rho(row?.rho) + (isClimbing ? "!" : " "),
                isClimbing ? Style(.severity(.warning), isBold: true) : .dim)
        default: return .text(now > 0 ? Wording.short(Double(now)) : "0", now > 0 ? .bold : .dim)
        }
    }

    private static func drawStack(_ table: StageTable, on canvas: inout Canvas, _ area: Area) {
        let title = "slowest \(table.slowCount)"
        let used = canvas.put(title, row: area.row, column: area.column + 1, style: .dim)
        let parts = table.rows.filter { $0.slowShare > 0 }
            .map {
                BarPart(
                    share: $0.slowShare, style: Style(.stage($0.stage)), label: $0.stage.rawValue,
                    letter: $0.stage.letter)
            }
        canvas.stacked(
            parts, row: area.row, column: area.column + used + 2, width: max(0, area.width - used - 3))
    }
}
