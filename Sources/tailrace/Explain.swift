// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceModel
import TailraceOutput

/// `tailrace explain`: what a word of the outputs means, how it is measured, what to do about it.
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what a stage, an anomaly or another word means, how it is measured, and what to do about it.",
        discussion: "Without a word: all of them, a line each.")

    @Argument(
        help: ArgumentHelp("A stage, a cause, an anomaly or another word of the outputs.", valueName: "word"),
        completion: .list(Set(Explanations.all.map(\.id)).filter { !$0.contains(" ") }.sorted()))
    var words: [String] = []

    /// Several arguments are one word: `tailrace explain open tasks`.
    private var word: String { words.joined(separator: " ") }

    func validate() throws {
        guard !words.isEmpty, Explanations.named(word).isEmpty else { return }
        let near = Explanations.near(word)
        let hint = near.isEmpty ? "'tailrace explain' lists all words" : "near it: \(near.joined(separator: ", "))"
        throw ValidationError("No word \(Sanitizer.visible(word).debugDescription) is known; \(hint).")
    }

    func run() throws {
        var output = Output(STDOUT_FILENO)
        let text = ExplanationText(width: terminalWidth())
        output.append(words.isEmpty ? text.list(Explanations.all) : text.text(Explanations.named(word)))
        try output.flush()
    }
}
