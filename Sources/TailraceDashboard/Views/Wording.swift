// SPDX-License-Identifier: MIT
import TailraceModel

/// Numbers as the dashboard shows them, and how much they stand out.
enum Wording {
    /// `1.2k`, `34M`.
    static func short(_ number: Double) -> String {
        guard number.isFinite else { return "-" }
        let size = abs(number)
        for (unit, name) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where size >= unit * 0.9995 {
            return digits(number / unit) + name
        }
        return size >= 10 || size == size.rounded() ? "\(Int64(nearest: number))" : digits(number)
    }

    /// Three digits at most.
    static func digits(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        if abs(value) >= 99.5 { return "\(Int64(nearest: value))" }
        let tenth = Int64(nearest: abs(value) * 10)
        return "\(value < 0 && tenth > 0 ? "-" : "")\(tenth / 10).\(tenth % 10)"
    }

    /// `0.91`, `-0.20`.
    static func rho(_ value: Double?) -> String {
        guard let value, value.isFinite else { return "-" }
        let hundredth = Int64(nearest: abs(value) * 100)
        let rest = hundredth % 100
        return "\(value < 0 && hundredth > 0 ? "-" : "")\(hundredth / 100).\(rest < 10 ? "0" : "")\(rest)"
    }

    /// Empty for nothing.
    static func size(_ bytes: Int64) -> String { bytes > 0 ? Quantity.size(bytes) : "0" }

    /// `12KiB/s`; `-` for what is not known.
    static func rate(_ bytesPerSecond: Double?) -> String {
        bytesPerSecond.map { "\($0 < 1 ? "0" : Quantity.size(Int64(nearest: $0)))/s" } ?? "-"
    }

    /// `3.4s`, `2m24`, `1h05`: ages are read at a glance.
    static func age(_ nanoseconds: Int64) -> String {
        let seconds = nanoseconds / 1_000_000_000
        if seconds < 100 { return Quantity.duration(max(0, nanoseconds)) }
        let (large, small, unit) =
            seconds < 6000 ? (seconds / 60, seconds % 60, "m") : (seconds / 3600, seconds / 60 % 60, "h")
        if large >= 100, unit == "h" { return "\(large / 24)d" }
        return "\(large)\(unit)\(small < 10 ? "0" : "")\(small)"
    }

    /// `14:04:02`, UTC.
    static func clock(_ wall: Int64) -> String {
        let seconds = (wall / 1_000_000_000) % 86_400
        let parts = [seconds / 3600, seconds / 60 % 60, seconds % 60]
        return parts.map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }

    /// How a wait stands out: from 1 s on clients suffer.
    static func wait(_ nanoseconds: Int64) -> Style {
        if nanoseconds >= 1_000_000_000 { return Style(.severity(.critical), isBold: true) }
        return nanoseconds >= 100_000_000 ? Style(.severity(.warning)) : nanoseconds > 0 ? .plain : .dim
    }

    /// How unsent bytes stand out: 64 KiB is what a socket may hold without anybody waiting.
    static func unsent(_ bytes: Int64) -> Style {
        if bytes >= 1 << 20 { return Style(.severity(.critical), isBold: true) }
        return bytes >= 64 << 10 ? Style(.severity(.warning)) : bytes > 0 ? .plain : .dim
    }

    /// Whose fault it is.
    static func holder(_ holder: Holder) -> Style {
        switch holder {
        case .nobody: .dim
        case .client: Style(.severity(.warning), isBold: true)
        case .path: Style(.stage(.network), isBold: true)
        case .device: Style(.stage(.qdisc), isBold: true)
        case .unclear: .plain
        }
    }

    /// Of a list: how many rows, and which filter chose them.
    static func title(_ name: String, _ count: Int, of all: Int, _ filter: String) -> String {
        let total = Quantity.count(Int64(max(count, all)))
        return filter.isEmpty
            ? "\(name) \(total)" : "\(name) \(Quantity.count(Int64(count))) of \(total), filter \(filter)"
    }

    /// Of a list: which rows are in sight, and how many are not told at all; the long form first.
    static func notes(_ shown: Range<Int>, of rows: Int, of count: Int, _ rest: String) -> [String] {
        let range = shown.count < rows && !shown.isEmpty ? "\(shown.lowerBound + 1)-\(shown.upperBound)" : ""
        guard count > rows else {
            return range.isEmpty ? [rest] : ["\(range) of \(rows), \(rest)", "\(range) of \(rows)"]
        }
        let first = "first \(rows) of \(Quantity.count(Int64(count)))"
        return [range.isEmpty ? "\(first), \(rest)" : "\(range) of the \(first), \(rest)", first]
    }

    /// In an empty list: there is nothing, or the filter lets nothing through.
    static func nothing(_ sentence: String, _ count: Int, _ filter: String) -> String {
        guard !filter.isEmpty, count > 0 else { return sentence }
        return "None of \(Quantity.count(Int64(count))) matches \(filter). Esc clears the filter."
    }

    /// Method and path, or why there is none.
    static func request(_ row: ResponseRow) -> String {
        row.request.isEmpty ? row.isUnseen ? unseen : "-" : row.request
    }

    /// The same of a connection.
    static func request(_ row: SocketRow) -> String {
        guard row.request.isEmpty else { return row.request }
        return row.isIdle ? "idle" : row.response.map { $0.number > 0 } ?? false ? "-" : unseen
    }

    /// It began before anybody looked.
    static let unseen = "(head not seen)"

    /// The same as the colour of a bar.
    static func holderInk(_ holder: Holder) -> Ink {
        let ink = Wording.holder(holder).ink
        return ink == .plain || ink == .dim ? .stage(.blocked) : ink
    }

    /// `1 flush`, `153 flushes`.
    static func flushes(_ count: Int64) -> String { "\(Quantity.count(count)) \(count == 1 ? "flush" : "flushes")" }

    /// `10ms`: a power of ten, ns.
    static func decade(_ exponent: Int) -> String {
        let units = ["ns", "us", "ms", "s"]
        let unit = min(units.count - 1, exponent / 3)
        return "1" + String(repeating: "0", count: exponent - 3 * unit) + units[unit]
    }

    /// The parts of a timeline.
    static func parts(_ times: StageTimes) -> [BarPart] {
        let total = Double(max(1, times.total))
        return Stage.allCases.compactMap { stage in
            guard let time = times[stage], time > 0 else { return nil }
            return BarPart(
                share: Double(time) / total, style: Style(.stage(stage)), label: stage.rawValue, letter: stage.letter)
        }
    }
}
