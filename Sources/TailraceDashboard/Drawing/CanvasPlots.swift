// SPDX-License-Identifier: MIT

extension Canvas {
    /// Values that `line` can show side by side in so many cells.
    public func lineCapacity(_ width: Int) -> Int { width * (capabilities.tier == .full ? 2 : 1) }

    /// Curves over time, the newest value at the right edge; nil leaves a gap. Fewer values than fit in leave the left empty,
    /// of more the last ones are drawn (`lineCapacity`).
    ///
    /// - Parameters:
    ///   - series: the values of each curve; a later one is drawn over an earlier one.
    ///   - area: where.
    ///   - styles: of each curve.
    ///   - range: the values at the bottom and at the top; what is beyond is drawn at the edge.
    public mutating func line(_ series: [[Double?]], in area: Area, styles: [Style], range: ClosedRange<Double>) {
        guard !area.isEmpty else { return }
        var field = DotField(area, tier: capabilities.tier)
        for (index, values) in series.enumerated() {
            let style = index < styles.count ? styles[index] : .plain
            let shown = values.suffix(field.width)
            var last: Int?
            for (offset, value) in shown.enumerated() {
                guard let value, value.isFinite else {
                    last = nil
                    continue
                }
                let y = Self.dot(value, range, field.height)
                let x = field.width - shown.count + offset
                // From where the last one was, so that a step is a line.
                let from = last ?? y
                for place in Swift.min(from, y)...Swift.max(from, y) where place != from || from == y {
                    field.set(x, place, style: style, sign: Self.sign(index))
                }
                last = y
            }
        }
        field.draw(on: &self)
    }

    /// A dotted upright line at a place of the axis: a knee, a threshold, the selected moment.
    public mutating func marker(at value: Double, in area: Area, xRange: ClosedRange<Double>, style: Style) {
        guard !area.isEmpty, value.isFinite, xRange.contains(value) else { return }
        let column = area.width - 1 - Self.dot(value, xRange, area.width)
        let scalar: Unicode.Scalar = capabilities.tier == .full ? "┊" : capabilities.tier == .console ? "│" : "|"
        for row in area.row..<area.endRow { set(Cell(scalar, style: style), row: row, column: area.column + column) }
    }

    /// The dot of a value, from the top.
    private static func dot(_ value: Double, _ range: ClosedRange<Double>, _ count: Int) -> Int {
        let span = range.upperBound - range.lowerBound
        guard span > 0, count > 1 else { return count - 1 }
        let share = Swift.max(0, Swift.min(1, (value - range.lowerBound) / span))
        return count - 1 - Int((share * Double(count - 1)).rounded())
    }

    private static func sign(_ index: Int) -> Unicode.Scalar {
        let signs: [Unicode.Scalar] = ["*", "+", "o", "x", "#", "%"]
        return signs[index % signs.count]
    }
}
