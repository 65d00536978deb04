// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@Suite("Explained words")
struct ExplanationTests {
    @Test("every word has its three texts, in whole sentences where they are sentences")
    func texts() {
        for word in Explanations.all {
            for text in [word.meaning, word.measurement, word.advice] {
                #expect(text.count > 10, "\(word.id): \(text)")
                #expect(!text.contains("  ") && !text.contains("\n"), "\(word.id): \(text)")
            }
            #expect(!word.meaning.hasSuffix("."), "\(word.id): \(word.meaning)")
            #expect(word.measurement.hasSuffix(".") && word.advice.hasSuffix("."), "\(word.id)")
        }
    }

    @Test("every stage, cause and anomaly is found by its id, and only stage and cause share a word")
    func found() {
        for word in Explanations.all {
            let found = Explanations.named(word.id)
            #expect(found.contains { $0.id == word.id && $0.meaning == word.meaning })
            #expect(found.count == (word.id == "qdisc" ? 2 : 1), "\(word.id): \(found.map(\.id))")
        }
    }

    @Test(
        "case and separators make no difference, other names are known",
        arguments: [
            ("QUEUE", "queue"), ("Slow_Consumer", "slow-consumer"), ("peer-window", "peer_window"),
            ("ttfb", "ttff"), ("in flight", "in_flight"), ("sk_wmem_queued", "queued"), ("p99", "percentile"),
        ])
    func names(word: String, id: String) {
        #expect(Explanations.named(word).map(\.id) == [id])
    }

    @Test(
        "what is nearly right is offered",
        arguments: [
            ("blokced", "blocked"), ("quue", "queue"), ("slow-consummer", "slow-consumer"), ("peer_win", "peer_window"),
        ])
    func near(word: String, id: String) {
        #expect(Explanations.named(word).isEmpty)
        #expect(Explanations.near(word).contains(id))
        #expect(Explanations.near(word).count <= 3)
    }

    @Test("nothing is near nonsense", arguments: ["xyzzyplugh", "\u{1b}[31m", "🙂🙂🙂🙂🙂🙂🙂🙂🙂", ""])
    func nonsense(word: String) {
        #expect(Explanations.named(word).isEmpty)
        if !word.isEmpty { #expect(Explanations.near(word).isEmpty) }
    }
}
