// SPDX-License-Identifier: MIT

extension DaemonConfiguration {
    /// Reads a file: `key = value`, one a line; a line that begins with `#` is a remark.
    ///
    /// - Parameters:
    ///   - text: of the file.
    ///   - file: its name, for the error.
    /// - Throws: the first line that is not understood, and what was expected there.
    public init(text: String, file: String) throws(ConfigurationError) {
        self.init()
        var seen: [String: Int] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmed
            guard !line.isEmpty, line.first != "#" else { continue }
            do throws(ConfigurationError) { try set(line, number: index + 1, &seen) } catch {
                throw ConfigurationError("\(file):\(index + 1): \(error.description)")
            }
        }
    }

    private mutating func set(_ line: String, number: Int, _ seen: inout [String: Int]) throws(ConfigurationError) {
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(\.trimmed)
        let shown = Sanitizer.visible(parts[0], longest: 40)
        guard let key = ConfigurationKey.all.first(where: { $0.name == parts[0] }) else {
            let near = ConfigurationKey.all.map(\.name).min {
                Self.distance($0, parts[0]) < Self.distance($1, parts[0])
            }
            let hint = near.map { Self.distance($0, parts[0]) <= 3 ? "; did you mean \($0)?" : "" } ?? ""
            throw ConfigurationError(
                "there is no key \"\(shown)\"\(hint) (`tailrace daemon --default-config` explains each)")
        }
        guard parts.count == 2 else {
            throw ConfigurationError("expected \(key.name) = VALUE, and there is no `=`")
        }
        if let earlier = seen[key.name], !key.isList {
            throw ConfigurationError("\(key.name) is set in line \(earlier) already; it has one value")
        }
        seen[key.name] = number
        if key.name == "threshold" {
            do throws(ThresholdError) { try thresholds.set(parts[1]) } catch {
                throw ConfigurationError("threshold: \(error.description)")
            }
        } else if !key.set(&self, parts[1]) {
            let value = Sanitizer.visible(parts[1], longest: 60)
            throw ConfigurationError("\(key.name) takes \(key.expected); \"\(value)\" is none")
        }
    }

    /// The default, every key with its meaning, as it is installed.
    public static var commentedDefault: String {
        var text = """
            # The settings of `tailrace daemon`. Each key is shown with what it is where nobody sets it.
            # `key = value`; what may be given several times says so. `systemctl reload tailrace` reads this file again.

            """
        for key in ConfigurationKey.all {
            text += "\n# \(key.meaning)\n# \(key.expected)\(key.isList ? "; may be given several times" : "").\n"
            text += "#\(key.name) =\(key.standard.isEmpty ? "" : " " + key.standard)\n"
        }
        return text
    }

    /// How many letters must be changed (Levenshtein), at most the length of the longer one.
    private static func distance(_ one: String, _ other: String) -> Int {
        let (one, other) = (Array(one.utf8.prefix(40)), Array(other.utf8.prefix(40)))
        var row = Array(0...other.count)
        for (line, left) in one.enumerated() {
            var corner = row[0]
            row[0] = line + 1
            for (column, right) in other.enumerated() {
                let next = min(row[column] + 1, row[column + 1] + 1, corner + (left == right ? 0 : 1))
                (corner, row[column + 1]) = (row[column + 1], next)
            }
        }
        return row[other.count]
    }
}
