// SPDX-License-Identifier: MIT
import ArgumentParser

/// A duration on the command line, with its unit: `250ms`, `30s`, `5m`, `1h`.
struct TimeSpan: ExpressibleByArgument {
    /// More than 0.
    let nanoseconds: Int64

    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("min", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
    ]

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let unit = argument.dropFirst(digits.count)
        guard let count = Int64(digits), count > 0, let size = Self.units.first(where: { $0.name == unit })?.nanoseconds
        else { return nil }
        let (nanoseconds, isTooMuch) = count.multipliedReportingOverflow(by: size)
        // A hundred years: sums with a clock do not overflow.
        guard !isTooMuch, nanoseconds < 3_153_600_000_000_000_000 else { return nil }
        self.nanoseconds = nanoseconds
    }
}
