// SPDX-License-Identifier: MIT
import TailraceModel

/// `explain` for people.
public struct ExplanationText {
    private let width: Int

    /// `width`: of the terminal, columns; lines of text are no longer than 100.
    public init(width: Int) { self.width = min(100, max(40, width)) }

    /// Every word with its meaning, by kind.
    public func list(_ words: [any Explained]) -> String {
        var text = ""
        var kind = ""
        let column = (words.map(\.id.count).max() ?? 0) + 2
        for word in words {
            let own = type(of: word).kind
            if own != kind { text += (text.isEmpty ? "" : "\n") + heading(own) }
            kind = own
            let lines = Paragraph.wrapped(word.meaning, width: width, indent: 2 + column)
            text += "  " + word.id.padded(to: column) + lines.dropFirst(2 + column)
        }
        return text
    }

    private func heading(_ kind: String) -> String {
        switch kind {
        case Stage.kind: "STAGES: the response's time while\n"
        case WaitCause.kind: "CAUSES of blocked and queue\n"
        case Anomaly.kind: "ANOMALIES\n"
        default: "WORDS\n"
        }
    }

    /// What of an anomaly can be set.
    private func thresholds(of word: any Explained) -> String {
        guard let anomaly = word as? Anomaly else { return "" }
        let lines = anomaly.thresholds.map {
            Paragraph.wrapped("\($0.id)=\($0.standardText): \($0.meaning)", width: width, indent: 2)
        }
        return "\nThresholds (--threshold)\n" + lines.joined()
    }

    /// All that is known of these words.
    public func text(_ words: [any Explained]) -> String {
        words.map { word in
            let kind = type(of: word).kind
            let meaning = kind == Stage.kind ? "the response's time while \(word.meaning)" : word.meaning
            return Paragraph.wrapped("\(word.id) (\(kind)): \(meaning).", width: width)
                + "\nHow it is measured\n" + Paragraph.wrapped(word.measurement, width: width, indent: 2)
                + "\nWhat to do about it\n" + Paragraph.wrapped(word.advice, width: width, indent: 2)
                + thresholds(of: word)
        }.joined(separator: "\n")
    }
}
