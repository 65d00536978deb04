// SPDX-License-Identifier: MIT
import ArgumentParser

/// A number of bytes on the command line: `65536`, `64KiB`, `8MiB`, `1GiB` (also without the `iB`); decimal with `kB`, `MB`, `GB`.
struct ByteCount: ExpressibleByArgument {
    let bytes: Int64

    private static let units: [(name: String, size: Int64)] = [
        ("", 1), ("B", 1), ("K", 1 << 10), ("KIB", 1 << 10), ("KB", 1000), ("M", 1 << 20), ("MIB", 1 << 20),
        ("MB", 1_000_000), ("G", 1 << 30), ("GIB", 1 << 30), ("GB", 1_000_000_000),
    ]

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let unit = argument.dropFirst(digits.count).uppercased()
        guard let count = Int64(digits), let size = Self.units.first(where: { $0.name == unit })?.size else {
            return nil
        }
        let (bytes, isTooMuch) = count.multipliedReportingOverflow(by: size)
        guard !isTooMuch else { return nil }
        self.bytes = bytes
    }
}
