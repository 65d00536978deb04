// SPDX-License-Identifier: MIT

/// Numbers for people: three significant digits and a unit.
public enum Quantity {
    /// `850ns`, `12.3us`, `4.56ms`, `7.89s`, `95s`; `-` for what is not known.
    public static func duration(_ nanoseconds: Int64?) -> String {
        guard let nanoseconds else { return "-" }
        if nanoseconds == 0 { return "0" }
        let units: [(Double, String)] = [(1e9, "s"), (1e6, "ms"), (1e3, "us")]
        for (size, name) in units where Double(nanoseconds) >= size * 0.9995 {
            return threeDigits(Double(nanoseconds) / size) + name
        }
        return "\(nanoseconds)ns"
    }

    /// `512B`, `1.21KiB`, `3.40MiB`.
    public static func size(_ bytes: Int64) -> String {
        let units: [(Double, String)] = [(1_073_741_824, "GiB"), (1_048_576, "MiB"), (1024, "KiB")]
        for (size, name) in units where Double(bytes) >= size { return threeDigits(Double(bytes) / size) + name }
        return "\(bytes)B"
    }

    /// `37 %`.
    public static func share(_ part: Int64, of whole: Int64) -> String {
        whole > 0 ? "\(Int((Double(part) / Double(whole) * 100).rounded())) %" : "-"
    }

    /// `37 %`, `<1 %` for what is not quite nothing; `-` for what is not known.
    public static func percent(_ share: Double?) -> String {
        guard var share, !share.isNaN else { return "-" }
        share = max(0, min(share, 10))
        return share > 0 && share < 0.005 ? "<1 %" : "\(Int((share * 100).rounded())) %"
    }

    /// `1,234,567`.
    public static func count(_ number: Int64) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return number < 0 ? "-" + text : text
    }

    private static func threeDigits(_ value: Double) -> String {
        let decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
        var factor = 1.0
        for _ in 0..<decimals { factor *= 10 }
        let scaled = Int((value * factor).rounded())
        guard decimals > 0 else { return "\(scaled)" }
        let digits = String(repeating: "0", count: max(0, decimals + 1 - String(scaled).count)) + String(scaled)
        return digits.dropLast(decimals) + "." + digits.suffix(decimals)
    }
}

extension String {
    /// Filled with spaces on the right, or cut with `~`, to `width` characters.
    public func padded(to width: Int) -> String {
        count <= width ? self + String(repeating: " ", count: width - count) : String(prefix(width - 1)) + "~"
    }

    /// Filled with spaces on the left to `width` characters.
    public func rightAligned(to width: Int) -> String {
        String(repeating: " ", count: Swift.max(0, width - count)) + self
    }
}
