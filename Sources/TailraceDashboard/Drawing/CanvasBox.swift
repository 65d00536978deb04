// SPDX-License-Identifier: MIT

extension Canvas {
    /// Draws a frame with a title on its left and a note on its right, as far as there is room.
    ///
    /// - Parameters:
    ///   - area: of the frame; below 2 by 2 nothing is drawn.
    ///   - title: may come from outside.
    ///   - note: the same; it gives way to the title.
    ///   - isFocused: whether it is the pane that the keys go to.
    /// - Returns: the area inside.
    @discardableResult
    public mutating func box(_ area: Area, title: String, note: String = "", isFocused: Bool = false) -> Area {
        guard area.width >= 2, area.height >= 2 else {
            return Area(row: area.row, column: area.column, width: 0, height: 0)
        }
        let style = isFocused ? Style(.title) : Style(.frame)
        let corners = Self.corners(capabilities.tier)
        for column in area.column + 1..<area.endColumn - 1 {
            set(Cell(corners.flat, style: style), row: area.row, column: column)
            set(Cell(corners.flat, style: style), row: area.endRow - 1, column: column)
        }
        for row in area.row + 1..<max(area.row + 1, area.endRow - 1) {
            set(Cell(corners.upright, style: style), row: row, column: area.column)
            set(Cell(corners.upright, style: style), row: row, column: area.endColumn - 1)
        }
        set(Cell(corners.topLeft, style: style), row: area.row, column: area.column)
        set(Cell(corners.topRight, style: style), row: area.row, column: area.endColumn - 1)
        set(Cell(corners.bottomLeft, style: style), row: area.endRow - 1, column: area.column)
        set(Cell(corners.bottomRight, style: style), row: area.endRow - 1, column: area.endColumn - 1)
        let used = label(title, row: area.row, column: area.column + 2, room: area.width - 4, style: .title)
        let noteWidth = note.isEmpty ? 0 : width(of: note) + 2
        if noteWidth > 0, used + noteWidth + 1 <= area.width - 4 {
            let column = area.endColumn - 2 - noteWidth
            _ = label(note, row: area.row, column: column, room: noteWidth, style: .dim)
        }
        return area.inset(rows: 1, columns: 1)
    }

    /// A text with a space on either side; the cells it took.
    private mutating func label(_ text: String, row: Int, column: Int, room: Int, style: Style) -> Int {
        guard room >= 3, !text.isEmpty else { return 0 }
        put(" ", row: row, column: column)
        let used = put(text, row: row, column: column + 1, width: room - 2, style: style)
        put(" ", row: row, column: column + 1 + used)
        return used + 2
    }

    /// A horizontal rule.
    public mutating func rule(row: Int, column: Int, width: Int) {
        for offset in 0..<max(0, min(width, columns)) {
            set(Cell(Self.corners(capabilities.tier).flat, style: Style(.frame)), row: row, column: column + offset)
        }
    }

    private struct Corners {
        let flat, upright, topLeft, topRight, bottomLeft, bottomRight: Unicode.Scalar
    }

    private static func corners(_ tier: GlyphTier) -> Corners {
        switch tier {
        case .ascii:
            Corners(flat: "-", upright: "|", topLeft: "+", topRight: "+", bottomLeft: "+", bottomRight: "+")
        case .console:
            Corners(flat: "─", upright: "│", topLeft: "┌", topRight: "┐", bottomLeft: "└", bottomRight: "┘")
        case .full:
            Corners(flat: "─", upright: "│", topLeft: "╭", topRight: "╮", bottomLeft: "╰", bottomRight: "╯")
        }
    }
}
