// SPDX-License-Identifier: MIT
import ArgumentParser

/// A length of time with its unit: `250ms`, `30s`, `5m`, `1h`, `1.5s`.
struct Length: ExpressibleByArgument {
    /// More than 0.
    let nanoseconds: Int64

    private static let units: [(name: String, nanoseconds: Double)] = [
        ("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9), ("d", 86400e9),
    ]
    /// Beyond that nanoseconds would not fit.
    private static let longest = 9e18

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let name = argument.dropFirst(digits.count)
        guard let number = Double(digits), let unit = Self.units.first(where: { $0.name == name }) else { return nil }
        let value = (number * unit.nanoseconds).rounded()
        guard value >= 1, value < Self.longest else { return nil }
        nanoseconds = Int64(value)
    }

    static let defaultCompletionKind = CompletionKind.list(["10s", "30s", "1m", "5m"])
}
