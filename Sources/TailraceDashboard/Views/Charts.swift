// SPDX-License-Identifier: MIT
import TailraceModel

/// Pictures of time and of dependence.
enum Charts {
    /// Latency by time: how many there were of each.
    static func heat(_ snapshot: Snapshot, on canvas: inout Canvas, _ area: Area) {
        let isFlushes = snapshot.isAboutFlushes
        let map = isFlushes ? snapshot.flushHeat : snapshot.responseHeat
        let title = isFlushes ? "flush deliveries by latency" : "responses by latency"
        let note = canvas.note(
            ["\(more(canvas.capabilities)) is more, last \(map.columns.count) s", "last \(map.columns.count) s"],
            beside: title,
            in: area)
        let inside = canvas.box(area, title: title, note: note)
        guard let used = map.used, inside.width > 14, inside.height > 1 else {
            return canvas.say("Nothing ended yet.", in: inside)
        }
        var plot = inside
        let labels = plot.takeLeft(8)
        let height = canvas.heatRows(plot.height)
        // At least two decades, so that a steady server does not look wild.
        var (low, high) = (max(0, used.lowerBound - 1), min(HeatMap.rows - 1, used.upperBound + 1))
        if high - low < 13 { (low, high) = (max(0, (low + high) / 2 - 6), min(HeatMap.rows - 1, (low + high) / 2 + 7)) }
        canvas.heat(cells(map, low, high, height, width: plot.width), in: plot)
        for (exponent, row) in decades(low, high, height: plot.height) {
            canvas.put(
                Wording.decade(exponent), row: labels.row + row, column: labels.column, width: 7, style: .dim,
                alignRight: true)
        }
    }

    /// What density looks like: on a light background the dense is dark, and without colours it is a fuller shade.
    private static func more(_ capabilities: Capabilities) -> String {
        guard capabilities.colours >= .palette256 else { return "denser" }
        return capabilities.isLight ? "darker" : "brighter"
    }

    /// Powers of ten, and their rows from the top.
    private static func decades(_ low: Int, _ high: Int, height: Int) -> [(exponent: Int, row: Int)] {
        var edge: Int64 = 1
        return (0...12).compactMap { exponent in
            defer { edge *= 10 }
            // The half octave that it lies in.
            guard let half = (low...high).last(where: { HeatMap.lowerEdge(of: $0) <= edge }),
                edge < HeatMap.lowerEdge(of: half + 1)
            else { return nil }
            let place = Double(high - half) + 0.5
            return (exponent, min(height - 1, Int(place / Double(high - low + 1) * Double(height))))
        }
    }

    /// All of them, where they take the place of lists.
    static func all(_ snapshot: Snapshot, on canvas: inout Canvas, _ area: Area) {
        var lower = area
        var upper = lower.takeTop((area.height + 1) / 2)
        heat(snapshot, on: &canvas, upper.takeLeft(area.width / 2))
        latency(snapshot, on: &canvas, upper)
        curve(snapshot, on: &canvas, lower.takeLeft(area.width / 2))
        pressure(snapshot, on: &canvas, lower)
    }

    /// From the top; the logarithm of each count, so that the few slow ones are seen.
    private static func cells(_ map: HeatMap, _ low: Int, _ high: Int, _ height: Int, width: Int) -> [[Double]] {
        var grid = [[Double]](repeating: [Double](repeating: 0, count: width), count: height)
        let seconds = map.columns.count
        var most = 1.0
        for column in 0..<width {
            // Several seconds in a cell, or one in several.
            let begin = column * seconds / width
            let group = map.columns[begin..<min(seconds, max(begin + 1, (column + 1) * seconds / width))]
            for row in low...high {
                let count = group.reduce(0) { $0 + (row < $1.count ? Int($1[row]) : 0) }
                guard count > 0 else { continue }
                let span = high - low + 1
                let first = height * (high - row) / span
                let end = max(first + 1, height * (high - row + 1) / span)
                for cell in first..<min(end, height) {
                    grid[cell][column] += Double(count) / Double(group.count)
                    most = max(most, grid[cell][column])
                }
            }
        }
        let levels = max(1, octaves(most))
        return grid.map { row in row.map { $0 > 0 ? max(0.07, octaves($0) / levels) : 0 } }
    }

    /// The binary logarithm of 1 + value, on a line between whole ones.
    private static func octaves(_ value: Double) -> Double {
        var (rest, whole) = (1 + max(0, value), 0.0)
        while rest >= 2 { (rest, whole) = (rest / 2, whole + 1) }
        return whole + rest - 1
    }

    /// p50 and p99 by time.
    static func latency(_ snapshot: Snapshot, on canvas: inout Canvas, _ area: Area) {
        let series = snapshot.series
        let inside = canvas.box(area, title: "latency over time", note: "last \(series.p50.count) s")
        let hasTail = series.p99.contains { $0 != nil }
        let upper = hasTail ? series.p99 : series.most
        let highest = (upper + series.p50).compactMap { $0 }.max() ?? 0
        guard highest > 0, inside.width > 14, inside.height > 1 else {
            return canvas.say("Nothing ended yet.", in: inside)
        }
        var plot = inside
        let labels = plot.takeLeft(8)
        let styles = [Style(.series(1)), Style(.series(0))]
        canvas.line(
            [
                stretch(upper, to: canvas.lineCapacity(plot.width)),
                stretch(series.p50, to: canvas.lineCapacity(plot.width)),
            ],
            in: plot, styles: styles, range: 0...highest)
        let put = { (canvas: inout Canvas, text: String, row: Int, style: Style) in
            canvas.put(text, row: row, column: labels.column, width: 7, style: style, alignRight: true)
        }
        _ = put(&canvas, Quantity.duration(Int64(nearest: highest)), labels.row, .dim)
        if plot.height > 2 { _ = put(&canvas, hasTail ? "p99" : "max", labels.row + 1, styles[0]) }
        if plot.height > 3 { _ = put(&canvas, "p50", labels.row + 2, styles[1]) }
        _ = put(&canvas, "0", labels.endRow - 1, .dim)
    }

    /// Repeats values so that a minute fills the width.
    private static func stretch(_ values: [Double?], to capacity: Int) -> [Double?] {
        guard !values.isEmpty, capacity > values.count else { return values }
        return (0..<capacity).map { values[$0 * values.count / capacity] }
    }

    /// Latency by open tasks, with the knee.
    static func curve(_ snapshot: Snapshot, on canvas: inout Canvas, _ area: Area) {
        let knee = snapshot.curve?.knee.map { "knee \(canvas.glyphs.about) \(Wording.short($0))" } ?? "no knee"
        let counted = snapshot.curve?.provider ?? "responses"
        let title = counted == "responses" ? "latency by responses in flight" : "latency by open tasks (\(counted))"
        let name = snapshot.curve.map { "\($0.server.comm)[\($0.server.pid)]" } ?? ""
        let notes = snapshot.curve == nil ? [] : ["\(name), \(knee)", knee]
        let note = canvas.note(notes, beside: title, in: area)
        let inside = canvas.box(area, title: title, note: note)
        guard let curve = snapshot.curve, curve.points.count >= 2, inside.width > 16, inside.height > 2,
            let left = curve.points.first?.tasks, let right = curve.points.last?.tasks, right > left
        else { return canvas.say("Needs responses that began with different numbers of them.", in: inside) }
        var plot = inside
        let axis = plot.takeBottom(1)
        let labels = plot.takeLeft(8)
        let highest = max(1, curve.points.map(\.latency).max() ?? 1)
        let range = min(left, Double(curve.now ?? .max))...max(right, Double(curve.now ?? 0))
        // Above the low end of the curve there is room.
        if note == knee { canvas.put(name, row: plot.row, column: plot.column, width: plot.width / 2, style: .dim) }
        if let knee = curve.knee { canvas.marker(at: knee, in: plot, xRange: range, style: Style(.severity(.warning))) }
        canvas.line(
            [interpolated(curve.points, over: range, count: canvas.lineCapacity(plot.width))], in: plot,
            styles: [Style(.series(0))], range: 0...highest)
        let corner = Quantity.duration(Int64(nearest: highest))
        canvas.put(corner, row: labels.row, column: labels.column, width: 7, style: .dim, alignRight: true)
        canvas.put("0", row: labels.endRow - 1, column: labels.column, width: 7, style: .dim, alignRight: true)
        canvas.put(Wording.short(range.lowerBound), row: axis.row, column: plot.column, style: .dim)
        let now = "now \(curve.now.map { Wording.short(Double($0)) } ?? "-"), n \(curve.count)"
        canvas.put(now, row: axis.row, column: plot.column + plot.width / 2 - now.count / 2, style: .plain)
        canvas.put(
            Wording.short(range.upperBound), row: axis.row, column: plot.column, width: plot.width, style: .dim,
            alignRight: true)
    }

    private static func interpolated(
        _ points: [TaskCurve.Point], over range: ClosedRange<Double>, count: Int
    ) -> [Double?] {
        (0..<count).map { place in
            let x = range.lowerBound + (range.upperBound - range.lowerBound) * Double(place) / Double(max(1, count - 1))
            guard let next = points.firstIndex(where: { $0.tasks >= x }) else { return nil }
            guard next > 0 else { return points[0].latency }
            let (a, b) = (points[next - 1], points[next])
            guard b.tasks > a.tasks else { return b.latency }
            return a.latency + (b.latency - a.latency) * (x - a.tasks) / (b.tasks - a.tasks)
        }
    }

    /// How much of the time responses were held, and by what.
    static func pressure(_ snapshot: Snapshot, on canvas: inout Canvas, _ area: Area) {
        let server = snapshot.servers.first
        let inside = canvas.box(area, title: "held by queues", note: server.map { $0.server.comm } ?? "")
        guard let pressure = server?.pressure else { return canvas.say("No server is known yet.", in: inside) }
        var rows = [("any queue", pressure.all, Style.bold)]
        for cause in WaitCause.allCases {
            rows.append((Holder(cause).word, pressure[cause], Wording.holder(Holder(cause))))
        }
        let columns = [
            Column(title: "BY", width: 13, isRight: false),
            Column(title: "", width: 6, isRight: false, rank: 2, grows: true),
            Column(title: "10 s", width: 5),
            Column(title: "60 s", width: 5, rank: 1),
            Column(title: "FULL", width: 5, rank: 1),
        ]
        canvas.table(columns, in: inside, rows: rows.count) { row, column in
            let (name, stall, style) = rows[row]
            let isNothing = stall.some.avg10 < 0.5
            switch column {
            case 0: return .text(name, isNothing ? .dim : style)
            case 1: return .bar(stall.some.avg10 / 100, style)
            case 2: return .text(Quantity.percent(stall.some.avg10 / 100), isNothing ? .dim : .plain)
            case 3: return .text(Quantity.percent(stall.some.avg60 / 100), stall.some.avg60 < 0.5 ? .dim : .plain)
            default: return .text(Quantity.percent(stall.full.avg10 / 100), stall.full.avg10 < 0.5 ? .dim : .plain)
            }
        }
    }
}
