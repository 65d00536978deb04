// SPDX-License-Identifier: MIT
import TailraceModel

/// One column of a table.
struct Column {
    let title: String
    /// In cells, at least.
    let width: Int
    var isRight = true
    /// Columns with the largest rank give way first where there is no room; 0: never.
    var rank = 0
    /// Takes what is left over, up to `most` cells.
    var grows = false
    var most = 60
}

/// What is in a cell of a table.
enum CellContent {
    case text(String, Style)
    /// 0...1.
    case bar(Double, Style)
    case spark([Double?], Style)
    case parts([BarPart])
}

/// Which columns fit, and where they are.
struct TableLayout {
    struct Place {
        let index: Int
        let column: Int
        let width: Int
    }
    private(set) var places: [Place] = []

    init(_ columns: [Column], width: Int) {
        var kept = Array(columns.indices)
        let needed = { (kept: [Int]) in kept.reduce(0) { $0 + columns[$1].width } + max(0, kept.count - 1) }
        while needed(kept) > width, let worst = kept.max(by: { columns[$0].rank < columns[$1].rank }),
            columns[worst].rank > 0
        {
            kept.removeAll { $0 == worst }
        }
        var rest = max(0, width - needed(kept))
        let growing = kept.filter { columns[$0].grows }
        var extra: [Int: Int] = [:]
        for (count, index) in growing.enumerated() {
            let share = min(rest / (growing.count - count), max(0, columns[index].most - columns[index].width))
            extra[index] = share
            rest -= share
        }
        var column = 0
        for index in kept {
            let wide = columns[index].width + (extra[index] ?? 0)
            let room = min(wide, width - column)
            if room > 0 { places.append(Place(index: index, column: column, width: room)) }
            column += wide + 1
        }
    }
}

extension Canvas {
    /// Draws headings and rows; the selected row stays in sight.
    ///
    /// - Parameters:
    ///   - columns: all; those without room are left out.
    ///   - area: where.
    ///   - rows: how many there are.
    ///   - selected: place of the selected row; nil: none is.
    ///   - sorted: the title of the column that rows are sorted by, and whether the smallest is first.
    ///   - cell: what is in a row's column.
    /// - Returns: the rows that are in sight.
    @discardableResult
    mutating func table(
        _ columns: [Column], in area: Area, rows: Int, selected: Int? = nil,
        sorted: (title: String, isReversed: Bool)? = nil, cell: (_ row: Int, _ column: Int) -> CellContent
    ) -> Range<Int> {
        guard area.height > 0, area.width > 2 else { return 0..<0 }
        // One cell for the sign of the selected row.
        let layout = TableLayout(columns, width: area.width - 1)
        for place in layout.places {
            let column = columns[place.index]
            var title = column.title
            let isSorted = sorted?.title == title
            if isSorted, let sorted { title += sorted.isReversed ? glyphs.ascending : glyphs.descending }
            put(
                title, row: area.row, column: area.column + 1 + place.column, width: place.width,
                style: isSorted ? .title : .dim, alignRight: column.isRight)
        }
        let height = area.height - 1
        let first = max(0, min((selected ?? 0) - height / 2, rows - height))
        let shown = first..<max(first, min(rows, first + height))
        for row in shown {
            let line = area.row + 1 + row - first
            for place in layout.places {
                draw(
                    cell(row, place.index), row: line, column: area.column + 1 + place.column, width: place.width,
                    alignRight: columns[place.index].isRight)
            }
            if row == selected {
                put(glyphs.selection, row: line, column: area.column, width: 1, style: Style(.key, isBold: true))
                select(row: line, column: area.column, width: area.width)
            }
        }
        return shown
    }

    private mutating func draw(_ content: CellContent, row: Int, column: Int, width: Int, alignRight: Bool) {
        switch content {
        case .text(let text, let style):
            put(text, row: row, column: column, width: width, style: style, alignRight: alignRight)
        case .bar(let share, let style): bar(share, row: row, column: column, width: width, style: style)
        case .spark(let values, let style): spark(values, row: row, column: column, width: width, style: style)
        case .parts(let parts): stacked(parts, row: row, column: column, width: width)
        }
    }

    /// A sentence in the middle of an area that has nothing else to show.
    mutating func say(_ sentence: String, in area: Area) {
        guard !area.isEmpty else { return }
        let lines = Wrapped.lines(sentence, width: max(1, area.width - 4), most: area.height)
        for (offset, line) in lines.enumerated() {
            let used = min(width(of: line), area.width)
            let row = area.row + max(0, (area.height - lines.count) / 2) + offset
            put(line, row: row, column: area.column + (area.width - used) / 2, width: area.width, style: .dim)
        }
    }

    /// `12-30 of 200`, where not all rows are in sight.
    static func range(_ shown: Range<Int>, of count: Int) -> String {
        shown.count < count && !shown.isEmpty ? "\(shown.lowerBound + 1)-\(shown.upperBound) of \(count)" : ""
    }
}

/// Text in lines.
enum Wrapped {
    /// Broken between words; at most `most` lines, the last of which may be longer than `width`.
    static func lines(_ text: String, width: Int, most: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in Sanitizer.visible(text, longest: 4096).split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > width, lines.count < most - 1 {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return line.isEmpty ? lines : lines + [line]
    }
}
