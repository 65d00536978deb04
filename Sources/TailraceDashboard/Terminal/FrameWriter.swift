// SPDX-License-Identifier: MIT

/// What to write so that a terminal that shows one canvas shows the next one. Pure: canvases in, bytes out.
public struct FrameWriter: Sendable {
    /// Unchanged cells that are cheaper to write again than to jump over.
    private static let shortGap = 4
    private var shown: Canvas?
    private var renditions: [Style: Rendition] = [:]

    /// Nothing is known of what the terminal shows.
    public init() {}

    /// The next frame is written whole: the terminal was resized, or something else wrote on it.
    public mutating func invalidate() { shown = nil }

    /// The bytes that lead to `canvas`; none where nothing changed.
    public mutating func bytes(for canvas: Canvas) -> [UInt8] {
        let old = shown.flatMap { Self.isAlike($0, canvas) ? $0 : nil }
        shown = canvas
        if let old, old.cells == canvas.cells { return [] }
        // They hold for these capabilities only.
        if old == nil || renditions.count > 4096 { renditions = [:] }
        // Between these two nothing is shown by terminals that know them.
        var output = Array("\u{1b}[?2026h".utf8)
        if old == nil { output.append(contentsOf: "\u{1b}[m\u{1b}[2J".utf8) }
        var pen = Pen()
        for row in 0..<canvas.rows { write(row, of: canvas, over: old, &pen, &output) }
        Rendition.plain.write(after: pen.rendition, into: &output)
        output.append(contentsOf: "\u{1b}[?2026l".utf8)
        return output
    }

    private static func isAlike(_ one: Canvas, _ other: Canvas) -> Bool {
        one.columns == other.columns && one.rows == other.rows && one.capabilities == other.capabilities
    }

    /// Where the terminal's cursor is; negative: not known.
    private struct Pen {
        var row = -1
        var column = -1
        var rendition = Rendition.plain
    }

    private mutating func write(
        _ row: Int, of canvas: Canvas, over old: Canvas?, _ pen: inout Pen, _ output: inout [UInt8]
    ) {
        let base = row * canvas.columns
        let palette = Palette(canvas.capabilities)
        for column in 0..<canvas.columns where Self.isChanged(base + column, canvas, old) {
            let cell = canvas.cells[base + column]
            // Written with its left half; which has changed too, or its width would not have.
            if cell.isContinuation, column > 0, canvas.cells[base + column - 1].isWide { continue }
            move(to: row, column, in: canvas, palette, &pen, &output)
            put(cell, palette, &pen, &output)
            if cell.isDoubtful || pen.column >= canvas.columns { pen.row = -1 }
        }
    }

    private static func isChanged(_ place: Int, _ canvas: Canvas, _ old: Canvas?) -> Bool {
        guard let old else { return canvas.cells[place] != .blank }
        if canvas.cells[place] != old.cells[place] { return true }
        // The other half decides for both.
        if canvas.cells[place].isWide, canvas.cells[place + 1] != old.cells[place + 1] { return true }
        // The terminal may have drawn it wider than we think, over this one.
        return place > 0 && canvas.cells[place - 1].isDoubtful && canvas.cells[place - 1] != old.cells[place - 1]
    }

    private mutating func put(_ cell: Cell, _ palette: Palette, _ pen: inout Pen, _ output: inout [UInt8]) {
        let rendition = rendition(of: cell.style, palette)
        rendition.write(after: pen.rendition, into: &output)
        pen.rendition = rendition
        if cell.isContinuation { output.append(0x20) } else { cell.write(into: &output) }
        pen.column += cell.isWide ? 2 : 1
    }

    private mutating func move(
        to row: Int, _ column: Int, in canvas: Canvas, _ palette: Palette, _ pen: inout Pen, _ output: inout [UInt8]
    ) {
        if pen.row == row, pen.column == column { return }
        let gap = column - pen.column
        if pen.row == row, pen.column >= 0, gap > 0, gap <= Self.shortGap {
            let between = canvas.cells[(row * canvas.columns + pen.column)..<(row * canvas.columns + column)]
            if between.allSatisfy({ isCheap($0, palette, pen) }) {
                for cell in between { put(cell, palette, &pen, &output) }
                return
            }
        }
        if pen.row == row, gap > 0 {
            output.append(contentsOf: (gap == 1 ? "\u{1b}[C" : "\u{1b}[\(gap)C").utf8)
        } else {
            output.append(contentsOf: "\u{1b}[\(row + 1);\(column + 1)H".utf8)
        }
        (pen.row, pen.column) = (row, column)
    }

    private mutating func isCheap(_ cell: Cell, _ palette: Palette, _ pen: Pen) -> Bool {
        !cell.isDoubtful && !cell.isContinuation && cell.bytes[1] == 0
            && rendition(of: cell.style, palette) == pen.rendition
    }

    private mutating func rendition(of style: Style, _ palette: Palette) -> Rendition {
        if let known = renditions[style] { return known }
        let rendition = Rendition(style, palette)
        renditions[style] = rendition
        return rendition
    }
}
