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
    /// Cells of its longest text, at most, for which columns that are worth less give way; 0: for none.
    var whole = 0
}

/// What is in a cell of a table.
enum CellContent {
    case text(String, Style)
    /// Cut in its middle where it must be: its port stays.
    case peer(Endpoint, Style)
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

    /// - Parameters:
    ///   - columns: all; those without room are left out.
    ///   - width: in cells.
    ///   - wants: cells that the texts of growing columns would take, by place: for them columns of rank `extra` and more give way.
    ///   - extra: the rank from which on columns are worth less than a text that is whole.
    ///   - sorted: the column that rows are sorted by does not give way to those texts.
    init(_ columns: [Column], width: Int, wants: [Int: Int] = [:], extra: Int = .max, sorted: Int? = nil) {
        let needed = { (kept: [Int]) in kept.reduce(0) { $0 + columns[$1].width } + max(0, kept.count - 1) }
        // The most valuable ones first, so that a narrow one stays where a wide one has no room.
        var kept: [Int] = []
        for index in columns.indices.sorted(by: { (columns[$0].rank, $0) < (columns[$1].rank, $1) })
        where columns[index].rank == 0 || needed(kept + [index]) <= width { kept.append(index) }
        kept.sort()
        let missing = { (kept: [Int]) in
            kept.reduce(0) { $0 + max(0, min(wants[$1] ?? 0, columns[$1].most) - columns[$1].width) }
                - (width - needed(kept))
        }
        while missing(kept) > 0,
            let worst = kept.filter({ $0 != sorted }).max(by: { columns[$0].rank < columns[$1].rank }),
            columns[worst].rank >= extra
        {
            kept.removeAll { $0 == worst }
        }
        place(kept, columns, wants, width: width, rest: max(0, width - needed(kept)))
    }

    /// What is left over goes to those that want it, then to all that may grow.
    private mutating func place(_ kept: [Int], _ columns: [Column], _ wants: [Int: Int], width: Int, rest: Int) {
        var rest = rest
        var widths = columns.map(\.width)
        for index in kept where columns[index].grows {
            let share = max(0, min(rest, min(wants[index] ?? 0, columns[index].most) - widths[index]))
            widths[index] += share
            rest -= share
        }
        let growing = kept.filter { columns[$0].grows }
        for (count, index) in growing.enumerated() {
            let share = min(rest / (growing.count - count), max(0, columns[index].most - widths[index]))
            widths[index] += share
            rest -= share
        }
        var column = 0
        for index in kept {
            let room = min(widths[index], width - column)
            if room > 0 { places.append(Place(index: index, column: column, width: room)) }
            column += widths[index] + 1
        }
    }

    /// Whether that column is in sight.
    func shows(_ index: Int) -> Bool { places.contains { $0.index == index } }
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
    ///   - extra: the rank from which on columns give way to texts that would be cut (`Column.whole`).
    ///   - cell: what is in a row's column.
    /// - Returns: the rows that are in sight.
    @discardableResult
    mutating func table(
        _ columns: [Column], in area: Area, rows: Int, selected: Int? = nil,
        sorted: (title: String, isReversed: Bool)? = nil, extra: Int = .max,
        cell: (_ row: Int, _ column: Int) -> CellContent
    ) -> Range<Int> {
        guard area.height > 0, area.width > 2 else { return 0..<0 }
        // One cell for the sign of the selected row.
        let shown = shown(rows, selected: selected, height: area.height - 1)
        let wants = wants(columns, shown, cell)
        let layout = TableLayout(
            columns, width: area.width - 1, wants: wants, extra: extra,
            sorted: columns.firstIndex { $0.title == sorted?.title })
        for place in layout.places {
            let column = columns[place.index]
            var title = column.title
            let isSorted = sorted?.title == title
            if isSorted, let sorted {
                title = title.prefix(place.width - 1) + (sorted.isReversed ? glyphs.ascending : glyphs.descending)
            }
            put(
                title, row: area.row, column: area.column + 1 + place.column, width: place.width,
                style: isSorted ? .title : .dim, alignRight: column.isRight)
        }
        for row in shown {
            let line = area.row + 1 + row - shown.lowerBound
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

    /// Rows that are in sight, around the selected one.
    func shown(_ rows: Int, selected: Int?, height: Int) -> Range<Int> {
        let height = max(0, height)
        let first = max(0, min((selected ?? 0) - height / 2, rows - height))
        return first..<max(first, min(rows, first + height))
    }

    /// Cells that the longest text of those in sight would take.
    private func wants(
        _ columns: [Column], _ rows: Range<Int>, _ cell: (_ row: Int, _ column: Int) -> CellContent
    ) -> [Int: Int] {
        var wants: [Int: Int] = [:]
        for index in columns.indices where columns[index].whole > 0 {
            let longest = rows.reduce(0) { longest, row in
                switch cell(row, index) {
                case .text(let text, _): max(longest, width(of: text))
                case .peer(let peer, _): max(longest, peer.description.utf8.count)
                default: longest
                }
            }
            wants[index] = min(longest, columns[index].whole)
        }
        return wants
    }

    private mutating func draw(_ content: CellContent, row: Int, column: Int, width: Int, alignRight: Bool) {
        switch content {
        case .text(let text, let style):
            put(text, row: row, column: column, width: width, style: style, alignRight: alignRight)
        case .peer(let peer, let style):
            put(shortened(peer, to: width), row: row, column: column, width: width, style: style)
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
