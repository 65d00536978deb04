// SPDX-License-Identifier: MIT

/// Cells in line: a column is as wide as its widest cell. Where the whole is wider than the terminal, one column of text
/// gives way.
struct TextTable {
    struct Column {
        let title: String
        let isText: Bool
        /// Whether it is cut where there is no room.
        let gives: Bool

        /// Numbers, on the right.
        static func number(_ title: String) -> Column { Column(title: title, isText: false, gives: false) }
        static func text(_ title: String, gives: Bool = false) -> Column {
            Column(title: title, isText: true, gives: gives)
        }
    }

    private let columns: [Column]
    /// A row of one cell stands across all columns.
    private var rows: [[String]] = []
    private static let shortest = 8

    init(_ columns: [Column]) { self.columns = columns }

    /// As many cells as there are columns.
    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// Across all columns: what is too long for one.
    mutating func add(across text: String) { rows.append([text]) }

    /// With the titles, each line indented by two and no wider than `width`, as far as a column gives way.
    func text(width: Int) -> String {
        var widths = columns.indices.map { column in
            ([columns[column].title] + rows.filter { $0.count > 1 }.map { $0[column] }).map(\.count).max() ?? 0
        }
        // Two spaces between columns where there is room for them.
        let gap = widths.reduce(2 * columns.count, +) <= width ? 2 : 1
        let excess = widths.reduce(gap * (columns.count - 1) + 2, +) - width
        if excess > 0, let giving = columns.firstIndex(where: \.gives) {
            widths[giving] = max(Self.shortest, widths[giving] - excess)
        }
        return ([columns.map(\.title)] + rows).map { line($0, widths, gap) }.joined()
    }

    private func line(_ cells: [String], _ widths: [Int], _ gap: Int) -> String {
        guard cells.count > 1 else { return "  \(cells.joined())\n" }
        let padded = cells.enumerated().map { index, cell in
            columns[index].isText ? cell.padded(to: widths[index]) : cell.rightAligned(to: widths[index])
        }
        var text = "  " + padded.joined(separator: String(repeating: " ", count: gap))
        while text.last == " " { text.removeLast() }
        return text + "\n"
    }
}

/// Text for people in lines of a given width.
enum Paragraph {
    /// `96 %` is one word.
    private static func words(of text: String) -> [Substring] {
        var words: [Substring] = []
        for word in text.split(separator: " ") {
            if word.first == "%", let number = words.popLast() {
                words.append(number + " " + word)
            } else {
                words.append(word)
            }
        }
        return words
    }

    /// Broken between words; every line begins with `indent` spaces. A word that is longer than a line stays whole.
    static func wrapped(_ text: String, width: Int, indent: Int = 0) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines = ""
        var line = ""
        for word in words(of: text) {
            if !line.isEmpty, indent + line.count + 1 + word.count > width {
                lines += margin + line + "\n"
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return lines + (line.isEmpty ? "" : margin + line + "\n")
    }
}
