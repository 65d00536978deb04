// SPDX-License-Identifier: MIT

/// A word of tailrace's outputs that `tailrace explain` explains. Its texts stand with what it names.
public protocol Explained: Sendable {
    /// As the outputs write it.
    var id: String { get }
    /// What kind of word it is.
    static var kind: String { get }
    /// One line: what it means.
    var meaning: String { get }
    /// How it is measured: hooks and fields.
    var measurement: String { get }
    /// What to do about it.
    var advice: String { get }
}

/// Every word that is explained, and the search for one.
public enum Explanations {
    /// Kinds in this order, words in the order of their kind.
    public static let all: [any Explained] = Stage.allCases + WaitCause.allCases + Anomaly.allCases + Term.all

    /// What `word` stands for: more than one where two kinds share a word. Case, `-`, `_` and spaces make no difference.
    public static func named(_ word: String) -> [any Explained] {
        let wanted = plain(word)
        return all.filter { explained in
            plain(explained.id) == wanted || (explained as? Term)?.aliases.contains { plain($0) == wanted } ?? false
        }
    }

    /// Known words that are written nearly like `word`, nearest first; at most three.
    public static func near(_ word: String) -> [String] {
        let wanted = Array(plain(word))
        var found: [(id: String, distance: Int)] = []
        for explained in all where !found.contains(where: { $0.id == explained.id }) {
            for name in [explained.id] + ((explained as? Term)?.aliases ?? []) {
                let known = Array(plain(name))
                let distance = known.starts(with: wanted) ? 1 : editDistance(wanted, known)
                if distance <= max(1, min(wanted.count, known.count) / 3) {
                    found.append((explained.id, distance))
                    break
                }
            }
        }
        return found.sorted { ($0.distance, $0.id) < ($1.distance, $1.id) }.prefix(3).map(\.id)
    }

    private static func plain(_ word: String) -> [UInt8] {
        word.lowercased().utf8.filter { $0 != 0x2d && $0 != 0x5f && $0 != 0x20 }.prefix(64).map { $0 }
    }

    /// Levenshtein's distance.
    private static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in right.enumerated() {
                let change = diagonal + (a == b ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(change, row[j] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
