// SPDX-License-Identifier: MIT
import ArgumentParser

/// A duration with its unit: `250ms`, `30s`, `1.5h`.
struct TimeSpan: ExpressibleByArgument, Equatable {
    /// More than 0.
    let nanoseconds: Int64

    private static let units: [(String, Double)] = [
        ("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("min", 60e9), ("h", 3600e9), ("d", 86400e9),
    ]

    init?(argument: String) {
        guard let value = quantity(argument, Self.units) else { return nil }
        nanoseconds = value
    }
}

/// A size with its unit: `128KiB`, `1GiB`, `5MB`.
struct ByteSize: ExpressibleByArgument, Equatable, CustomStringConvertible {
    /// More than 0.
    let bytes: Int64

    private static let units: [(String, Double)] = [
        ("B", 1), ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("TiB", 1_099_511_627_776),
        ("kB", 1e3), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12),
    ]

    init(bytes: Int64) { self.bytes = bytes }

    init?(argument: String) {
        guard let value = quantity(argument, Self.units) else { return nil }
        bytes = value
    }

    /// In the largest unit that it is a whole number of.
    var description: String {
        for (unit, factor) in Self.units[..<5].reversed() where bytes % Int64(factor) == 0 {
            return "\(bytes / Int64(factor))\(unit)"
        }
        return "\(bytes)B"
    }
}

/// A number with one of these units; nil: it is none, or not above 0, or beyond what is reasonable.
private func quantity(_ text: String, _ units: [(String, Double)]) -> Int64? {
    let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = text[number.endIndex...]
    guard number.utf8.first != 0x2e, let value = Double(number), let factor = units.first(where: { $0.0 == unit })?.1
    else { return nil }
    let scaled = (value * factor).rounded()
    return scaled >= 1 && scaled < 1e18 ? Int64(scaled) : nil
}
