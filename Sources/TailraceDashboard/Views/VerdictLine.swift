// SPDX-License-Identifier: MIT
import TailraceModel

/// The sentence.
enum VerdictLine {
    static func draw(_ verdict: Verdict, on canvas: inout Canvas, _ body: inout Area) {
        guard !verdict.clauses.isEmpty else { return }
        let most = body.height >= 20 ? 2 : 1
        let length = canvas.width(of: verdict.sentence) + 4
        let area = body.takeTop(length > body.width ? most : 1)
        let (mark, markStyle) = mark(verdict, canvas.glyphs)
        canvas.put(mark, row: area.row, column: 1, width: 2, style: markStyle)
        var (row, column) = (0, canvas.width(of: mark) < 2 ? 3 : 4)
        // The last cell of the last line says that there was more.
        let end = area.width - 1
        for clause in verdict.clauses {
            for word in clause.text.split(separator: " ") {
                let width = canvas.width(of: String(word))
                if column + width > end, row + 1 < area.height { (row, column) = (row + 1, 3) }
                let isLast = row + 1 == area.height
                guard !isLast || column + width <= end - (length > body.width ? 2 : 0) || isEnd(word, clause, verdict)
                else {
                    canvas.put(
                        String(canvas.glyphs.ellipsis), row: area.row + row, column: min(column, end), style: .dim)
                    return
                }
                column +=
                    canvas.put(
                        String(word), row: area.row + row, column: column, width: max(0, end - column),
                        style: style(clause.subject)) + 1
            }
        }
    }

    /// The sentence ends with it, so that nothing is cut behind it.
    private static func isEnd(_ word: Substring, _ clause: Verdict.Clause, _ verdict: Verdict) -> Bool {
        word.endIndex == clause.text.endIndex && clause == verdict.clauses.last
    }

    /// What is only not known yet is neither good nor bad.
    private static func mark(_ verdict: Verdict, _ glyphs: Glyphs) -> (String, Style) {
        if let severity = verdict.severity { return (glyphs.mark(severity), Style(.severity(severity), isBold: true)) }
        if verdict.clauses.first?.subject == .data { return (glyphs.nothing, .dim) }
        return (glyphs.good, Style(.good, isBold: true))
    }

    private static func style(_ subject: Verdict.Clause.Subject) -> Style {
        switch subject {
        case .data: .dim
        case .latency: .bold
        case .stage(let stage): Style(.stage(stage), isBold: true)
        case .holder(let holder): Wording.holder(holder)
        case .loss, .tasks, .finding: Style(.severity(.warning))
        case .calm: .plain
        }
    }
}
