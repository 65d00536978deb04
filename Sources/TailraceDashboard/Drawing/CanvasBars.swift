// SPDX-License-Identifier: MIT

/// One part of a stacked bar.
public struct BarPart: Sendable {
    /// Of the whole, 0...1.
    public var share: Double
    /// Its ink is the colour of the part.
    public var style: Style
    /// Written into the part where it fits; its first letter where only that does.
    public var label: String
    /// Stands for the part where the label does not fit, and where there is no colour; nil: the label's first one.
    public var letter: Character?

    /// All of it.
    public init(share: Double, style: Style, label: String, letter: Character? = nil) {
        self.letter = letter
        self.share = share
        self.style = style
        self.label = label
    }
}

extension Canvas {
    /// A bar from the left, in eighths of a cell where the font has them. More than nothing shows at least a trace.
    ///
    /// - Parameters:
    ///   - share: 0...1; more is 1, NaN is nothing.
    ///   - row: where.
    ///   - column: where it begins.
    ///   - width: of the whole, in cells.
    ///   - style: of the bar.
    ///   - hasTrack: whether what is empty is dotted.
    public mutating func bar(
        _ share: Double, row: Int, column: Int, width: Int, style: Style, hasTrack: Bool = true
    ) {
        guard width > 0 else { return }
        let steps = Self.barSteps(capabilities.tier)
        let bounded = share.isNaN ? 0 : max(0, min(1, share))
        var filled = Int((bounded * Double(width * steps.count)).rounded())
        if bounded > 0 { filled = max(1, filled) }
        let track = glyphs.nothing.unicodeScalars.first ?? "."
        let trackStyle = Style(.frame, isSelected: style.isSelected)
        for offset in 0..<min(width, columns) {
            let part = min(steps.count, filled - offset * steps.count)
            if part > 0 {
                set(Cell(steps[part - 1], style: style), row: row, column: column + offset)
            } else if hasTrack {
                set(Cell(track, style: trackStyle), row: row, column: column + offset)
            }
        }
    }

    /// Values side by side, the newest at the right; nil: not known, and blank.
    ///
    /// - Parameters:
    ///   - values: only the last `width` are drawn.
    ///   - row: where.
    ///   - column: where the first cell is.
    ///   - width: in cells.
    ///   - style: of all.
    ///   - top: the value that fills a cell; nil: the largest one that is drawn.
    public mutating func spark(
        _ values: [Double?], row: Int, column: Int, width: Int, style: Style, top: Double? = nil
    ) {
        let shown = values.suffix(max(0, width))
        let known = shown.compactMap { $0 }.filter(\.isFinite)
        let highest = max(top ?? known.max() ?? 0, .leastNormalMagnitude)
        let steps = Self.sparkSteps(capabilities.tier)
        let begin = column + width - shown.count
        for (offset, value) in shown.enumerated() {
            guard let value, value.isFinite else { continue }
            let share = max(0, min(1, value / highest))
            let step = min(steps.count - 1, Int((share * Double(steps.count - 1)).rounded()))
            set(Cell(steps[step], style: style), row: row, column: begin + offset)
        }
    }

    /// Parts side by side that fill the width, each with its letter or label. A part of more than half a cell has a cell.
    public mutating func stacked(_ parts: [BarPart], row: Int, column: Int, width: Int) {
        let total = parts.reduce(0) { $0 + (($1.share.isFinite) ? max(0, $1.share) : 0) }
        guard total > 0, width > 0 else { return }
        var sum = 0.0
        var begin = 0
        for part in parts where part.share.isFinite && part.share > 0 {
            sum += part.share
            let end = min(width, Int((sum / total * Double(width)).rounded()))
            if end > begin { draw(part, row: row, column: column + begin, width: end - begin) }
            begin = max(begin, end)
        }
    }

    private mutating func draw(_ part: BarPart, row: Int, column: Int, width: Int) {
        let isColoured = capabilities.colours >= .palette256 && !part.style.isSelected
        var style = part.style
        if isColoured {
            style = Style(.plain, isBold: part.style.isBold, ground: part.style.ink)
        }
        let letter = (part.letter ?? part.label.first).map(String.init) ?? " "
        let label = self.width(of: part.label) <= width - 1 ? part.label : letter
        if isColoured {
            fill(row: row, column: column, width: width, style: style)
        } else {
            for offset in 0..<width { put(letter, row: row, column: column + offset, style: style) }
            if label == letter { return }
            put(" ", row: row, column: column + self.width(of: label), width: 1)
        }
        put(label, row: row, column: column, width: width, style: style)
    }

    private static func barSteps(_ tier: GlyphTier) -> [Unicode.Scalar] {
        switch tier {
        case .ascii: ["#"]
        case .console: ["▌", "█"]
        case .full: ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"]
        }
    }

    private static func sparkSteps(_ tier: GlyphTier) -> [Unicode.Scalar] {
        switch tier {
        case .ascii: ["_", ".", ":", "-", "=", "+", "*", "#"]
        case .console: ["_", "░", "▒", "▓", "█"]
        case .full: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        }
    }
}
