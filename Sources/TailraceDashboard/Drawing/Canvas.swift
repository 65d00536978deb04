// SPDX-License-Identifier: MIT
import TailraceModel

/// A grid of cells. Text is passed through `Sanitizer` and cut at its width; nothing else enters a cell, so that no text from
/// outside can move the cursor or shift a column.
public struct Canvas: Equatable, Sendable {
    /// Largest size, in cells, either way: memory stays bounded whatever a terminal claims.
    public static let largest = 1024
    /// Width in cells.
    public let columns: Int
    /// Height in cells.
    public let rows: Int
    /// What the terminal can show.
    public let capabilities: Capabilities
    var cells: [Cell]

    /// Blank. Sizes are brought into 1...1024.
    public init(columns: Int, rows: Int, capabilities: Capabilities) {
        self.columns = max(1, min(columns, Self.largest))
        self.rows = max(1, min(rows, Self.largest))
        self.capabilities = capabilities
        cells = Array(repeating: .blank, count: self.columns * self.rows)
    }

    /// All of it.
    public var area: Area { Area(row: 0, column: 0, width: columns, height: rows) }

    /// What to draw signs with.
    public var glyphs: Glyphs { Glyphs(capabilities.tier) }

    /// Writes text in one row. What does not fit in is cut, and its last cell is then the sign for that.
    ///
    /// - Parameters:
    ///   - text: may come from outside.
    ///   - row: outside of the canvas: nothing is written.
    ///   - column: may be negative.
    ///   - width: cells at most; nil: up to the end of the row.
    ///   - style: of all of it.
    ///   - alignRight: to the end of `width`.
    /// - Returns: the cells that the text took, without the space beside it.
    @discardableResult
    public mutating func put(
        _ text: String, row: Int, column: Int, width: Int? = nil, style: Style = .plain, alignRight: Bool = false
    ) -> Int {
        let room = min(width ?? columns, columns - column)
        guard room > 0, row >= 0, row < rows else { return 0 }
        var line = CellLine(text, style: style, tier: capabilities.tier, longest: room)
        if line.isCut { line.mark(glyphs.ellipsis, style: style, within: room) }
        let begin = alignRight ? column + room - line.cells.count : column
        for (offset, cell) in line.cells.enumerated() {
            // A wide character that begins left of the edge.
            let isOrphan = begin + offset == 0 && cell.isContinuation
            set(isOrphan ? Cell(ascii: 0x20, style: style) : cell, row: row, column: begin + offset)
        }
        return line.cells.count
    }

    /// The cells that a text would take.
    public func width(of text: String) -> Int {
        CellLine(text, style: .plain, tier: capabilities.tier, longest: Self.largest).cells.count
    }

    /// Gives cells a style and makes them blank.
    public mutating func fill(row: Int, column: Int, width: Int, style: Style) {
        guard width > 0 else { return }
        for offset in 0..<min(width, columns) {
            set(Cell(ascii: 0x20, style: style), row: row, column: column + offset)
        }
    }

    /// Makes an area blank: for what is drawn over something else.
    public mutating func clear(_ area: Area) {
        for row in 0..<area.height { fill(row: area.row + row, column: area.column, width: area.width, style: .plain) }
    }

    /// Marks the cells of a row as selected, whatever is in them.
    public mutating func select(row: Int, column: Int, width: Int) {
        guard row >= 0, row < rows else { return }
        for place in max(0, column)..<max(0, column, min(columns, column + width)) {
            let index = row * columns + place
            cells[index].style.isSelected = true
            // Both halves of a wide character look the same.
            if cells[index].isContinuation { cells[index - 1].style.isSelected = true }
            if cells[index].isWide { cells[index + 1].style.isSelected = true }
        }
    }

    /// Plain text without trailing spaces: for golden frames, and where there is no terminal.
    public var lines: [String] {
        (0..<rows).map { row in
            var bytes: [UInt8] = []
            for column in 0..<columns { cells[row * columns + column].write(into: &bytes) }
            while bytes.last == 0x20 { bytes.removeLast() }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// Puts a cell; a wide character of which this was one half loses the other one too.
    mutating func set(_ cell: Cell, row: Int, column: Int) {
        guard row >= 0, row < rows, column >= 0, column < columns else { return }
        let place = row * columns + column
        let old = cells[place]
        if old.isContinuation, !cell.isContinuation { blank(place - 1) }
        if old.isWide, !cell.isWide { blank(place + 1) }
        cells[place] = cell
    }

    private mutating func blank(_ place: Int) { cells[place] = Cell(ascii: 0x20, style: cells[place].style) }
}
