// SPDX-License-Identifier: MIT

extension DaemonConfiguration {
    /// Reads a file: `key = value`, one a line; a line that begins with `#` is a remark.
    ///
    /// - Parameters:
    ///   - text: of the file.
    ///   - file: its name, for the error.
    ///   - refusal: what those who use a value say against it, by key and value; nil: nothing.
    /// - Throws: the first line that is not understood, and what was expected there.
    public init(
        text: String, file: String, refusal: (_ key: String, _ value: String) -> String? = { _, _ in nil }
    ) throws(ConfigurationError) {
        self.init()
        var seen: [String: Int] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmed
            guard !line.isEmpty, line.first != "#" else { continue }
            do throws(ConfigurationError) { try set(line, number: index + 1, &seen, refusal) } catch {
                throw ConfigurationError("\(file):\(index + 1): \(error.description)")
            }
        }
    }

    private mutating func set(
        _ line: String, number: Int, _ seen: inout [String: Int], _ refusal: (String, String) -> String?
    ) throws(ConfigurationError) {
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(\.trimmed)
        guard let key = ConfigurationKey.all.first(where: { $0.name == parts[0] }) else {
            throw ConfigurationError(
                "there is no key \"\(Sanitizer.visible(parts[0], longest: 40))\"\(Self.hint(parts[0])) "
                    + "(`tailrace daemon --default-config` explains each)")
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
        if let why = refusal(key.name, parts[1]) {
            throw ConfigurationError("\(key.name) takes \(key.expected): \(Sanitizer.visible(why, longest: 400))")
        }
    }

    /// The key that is nearest to what was written, if it is near: few letters, and not most of them.
    private static func hint(_ name: String) -> String {
        let near = ConfigurationKey.all.map(\.name).min { distance($0, name) < distance($1, name) }
        guard let near, distance(near, name) <= min(3, max(near.utf8.count, name.utf8.count) / 2) else { return "" }
        return "; did you mean \(near)?"
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
