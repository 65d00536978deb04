// SPDX-License-Identifier: MIT
import TailraceModel

/// The newest flushes of a response, each where it was when, and what waits now.
enum Waterfall {
    private struct Row {
        let begin: Nanoseconds
        let bytes: Int64
        let took: Int64?
        let parts: [BarPart]
        var isNow = false
        var end: Nanoseconds { begin + (took ?? 0) }
    }

    static func draw(_ known: KnownResponse, on canvas: inout Canvas, _ area: Area, at now: Nanoseconds) {
        guard area.height >= 3 else { return }
        var area = area
        _ = area.takeTop(1)
        let waiting = waiting(known, at: now)
        let room = max(0, area.height - 1 - (waiting == nil ? 0 : 1))
        let rows = known.flushes.suffix(room).map(row) + (waiting.map { [$0] } ?? [])
        guard let begin = rows.map(\.begin).min(), let end = rows.map(\.end).max() else {
            return canvas.say(nothing(known), in: area)
        }
        let columns = [
            Column(title: "SENT", width: 9), Column(title: "BYTES", width: 8), Column(title: "TOOK", width: 7),
            Column(
                title: "ITS WAY, OVER \(Quantity.duration(end - begin))", width: 20, isRight: false, grows: true,
                most: 400),
        ]
        canvas.table(columns, in: area, rows: rows.count) { place, column in
            let row = rows[place]
            switch column {
            case 0: return row.isNow ? .text("now", .bold) : .text("+" + Quantity.duration(row.begin - begin), .dim)
            case 1: return .text(Wording.size(row.bytes), row.isNow ? Wording.unsent(row.bytes) : .plain)
            case 2: return .text(Quantity.duration(row.took), Wording.wait(row.took ?? 0))
            default: return .text("", .plain)
            }
        }
        guard let bar = TableLayout(columns, width: area.width - 1).places.last, bar.index == 3 else { return }
        let ways = Area(
            row: area.row + 1, column: area.column + 1 + bar.column, width: bar.width, height: area.height - 1)
        draw(rows, from: begin, span: Double(max(1, end - begin)), on: &canvas, ways)
    }

    private static func draw(
        _ rows: [Row], from begin: Nanoseconds, span: Double, on canvas: inout Canvas, _ area: Area
    ) {
        for (place, row) in rows.enumerated() {
            let length = max(1, Int((Double(row.took ?? 0) / span * Double(area.width)).rounded()))
            let offset = min(area.width - 1, Int(Double(row.begin - begin) / span * Double(area.width - 1)))
            let room = area.width - offset
            canvas.stacked(
                row.parts, row: area.row + place, column: area.column + offset,
                width: row.isNow ? room : min(length, room))
            // Its words beside it, where they have no room within.
            guard row.isNow, let label = row.parts.first?.label, canvas.width(of: label) >= room else { continue }
            canvas.put(
                label, row: area.row + place, column: area.column, width: max(0, offset - 1), style: .bold,
                alignRight: true)
        }
    }

    private static func nothing(_ known: KnownResponse) -> String {
        known.row.map { $0.endedBy == nil } ?? true
            ? "No flush of it was acknowledged since it is looked at." : "Its flushes were not kept."
    }

    private static func row(_ flush: Flush) -> Row {
        Row(begin: flush.at, bytes: flush.bytes, took: flush.total, parts: Wording.parts(flush.stages))
    }

    /// What no flush tells yet, because none of it is acknowledged: bytes that wait, up to now.
    private static func waiting(_ known: KnownResponse, at now: Nanoseconds) -> Row? {
        guard known.waitsNow > 0 else { return nil }
        let word = known.holder.word
        let part = BarPart(
            share: 1, style: Style(.stage(known.stage)), label: word.isEmpty ? "unsent" : "unsent, held by \(word)",
            letter: known.stage.letter)
        return Row(
            begin: now - known.waitsNow, bytes: known.unsentBytes, took: known.waitsNow, parts: [part], isNow: true)
    }
}
