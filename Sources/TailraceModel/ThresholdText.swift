// SPDX-License-Identifier: MIT

/// Why a threshold was not understood: one sentence.
public struct ThresholdError: Error, CustomStringConvertible, Sendable {
    /// What was wrong, and what to write instead.
    public let description: String
}

extension Threshold {
    private static let durations: [(String, Double)] = [
        ("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("min", 6e10), ("h", 3.6e12),
    ]
    private static let sizes: [(String, Double)] = [
        ("B", 1), ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("kB", 1e3), ("KB", 1e3), ("MB", 1e6),
        ("GB", 1e9), ("", 1),
    ]

    /// A number with its unit, as it is written: `2s`, `64KiB`, `50%`, `0.5`, `12`; nil: it is none.
    func value(of text: String) -> Double? { Self.value(of: text, in: unit) }

    /// The same of any number with a unit.
    static func value(of text: String, in unit: Unit) -> Double? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let suffix = String(text.dropFirst(digits.count))
        guard let number = Double(digits), number >= 0, number.isFinite else { return nil }
        switch unit {
        case .duration: return durations.first { $0.0 == suffix }.map { number * $0.1 }
        case .bytes: return sizes.first { $0.0 == suffix }.map { number * $0.1 }
        case .share: return suffix == "%" ? number / 100 : suffix.isEmpty && number <= 1 ? number : nil
        case .count, .factor: return suffix.isEmpty ? number : nil
        }
    }

    /// Its standard, as it could be written.
    public var standardText: String {
        switch unit {
        case .duration:
            let unit = Self.durations.dropLast(3).last { standard >= $0.1 } ?? ("ns", 1)
            return Self.plain(standard / unit.1) + unit.0
        case .bytes:
            let unit = Self.sizes.prefix(4).last { standard >= $0.1 } ?? ("B", 1)
            return Self.plain(standard / unit.1) + unit.0
        case .share: return Self.plain(standard * 100) + "%"
        case .count, .factor: return Self.plain(standard)
        }
    }

    private static func plain(_ value: Double) -> String {
        value == value.rounded() ? "\(Int64(nearest: value))" : "\(value)"
    }

    /// What a value looks like.
    fileprivate var example: String {
        switch unit {
        case .duration: "a time, such as 500ms or 2s"
        case .bytes: "a size, such as 64KiB"
        case .share: "a share, such as 50% or 0.5"
        case .count, .factor: "a number"
        }
    }
}

extension Thresholds {
    /// Sets one from `slow-consumer.age=2s`.
    ///
    /// - Throws: why it is not understood.
    public mutating func set(_ text: String) throws(ThresholdError) {
        let parts = text.split(separator: "=", maxSplits: 1).map { $0.trimmed }
        guard parts.count == 2 else {
            throw ThresholdError(description: "a threshold is written anomaly.name=value, as slow-consumer.age=2s")
        }
        guard let threshold = Threshold.all.first(where: { $0.id == parts[0] }) else {
            let anomaly = parts[0].prefix { $0 != "." }
            let known = Threshold.all.filter { $0.anomaly.rawValue == anomaly }
            let names = (known.isEmpty ? Threshold.all : known).map(\.id).joined(separator: ", ")
            throw ThresholdError(description: "no threshold has that name; known are \(names)")
        }
        guard let value = threshold.value(of: parts[1]) else {
            throw ThresholdError(description: "\(threshold.id) takes \(threshold.example)")
        }
        self[threshold] = value
    }

    /// Sets those of a file: one a line, `#` begins a remark.
    ///
    /// - Throws: which line is not understood, and why.
    public mutating func set(lines: String) throws(ThresholdError) {
        for (number, line) in lines.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let text = line.prefix { $0 != "#" }.trimmed
            guard !text.isEmpty else { continue }
            do { try set(text) } catch {
                throw ThresholdError(description: "line \(number + 1): \(error.description)")
            }
        }
    }
}

extension Substring {
    /// Without white space at its ends.
    var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
