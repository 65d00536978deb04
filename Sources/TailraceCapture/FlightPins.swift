// SPDX-License-Identifier: MIT
import TailraceModel

/// Which findings keep what was recorded around them, and for how long. Pure: what is kept is somebody else's to do.
struct FlightPins {
    /// What one finding keeps.
    struct Pin {
        /// As it was told last.
        fileprivate(set) var finding: Finding
        /// Monotonic times, ns: from when on, and until when.
        let begin: Nanoseconds
        fileprivate(set) var end: Nanoseconds
        /// The segments that are kept, oldest first.
        fileprivate(set) var names: [FlightName]
        /// What those that it added after it began take of the budget.
        fileprivate var bytes: UInt64 = 0
    }
    private let limits: FlightLimits
    /// Those that keep what is being recorded.
    private(set) var open: [String: Pin] = [:]
    private(set) var count: UInt64 = 0
    /// More at once keep nothing more than these do, but for the time before them.
    private static let most = 64

    init(_ limits: FlightLimits) { self.limits = limits }

    /// Takes what was told of a finding.
    ///
    /// - Returns: from when on segments are to be kept for it; nil: nothing new is.
    mutating func take(_ finding: Finding) -> Nanoseconds? {
        if let pin = open[finding.id] {
            open[finding.id]?.finding = finding
            if finding.state == .closed {
                open[finding.id]?.end = min(pin.end, (finding.end ?? finding.at) + limits.after)
            }
            return nil
        }
        guard finding.state != .closed, finding.severity >= .warning, open.count < Self.most, limits.pinnedBytes > 0
        else { return nil }
        // What it rests on began earlier, but not by so much that everything would be kept.
        let begin = max(finding.begin, finding.at - limits.before) - limits.before
        open[finding.id] = Pin(
            finding: finding, begin: begin, end: finding.at + limits.longestPin, names: [])
        count += 1
        return begin
    }

    /// A segment is kept for this finding, or for all of them that are open.
    mutating func keep(_ names: [FlightName], for id: String? = nil) {
        for key in id.map({ [$0] }) ?? Array(open.keys) {
            for name in names where open[key]?.names.contains(name) == false { open[key]?.names.append(name) }
        }
    }

    /// The segment that was kept for those that are open is finished. None of them takes more than half of the room: its
    /// own beginning would have to make room for its end.
    mutating func finish(bytes: UInt64, at now: Nanoseconds) {
        for id in open.keys {
            open[id]?.bytes += bytes
            if let pin = open[id], pin.bytes >= limits.pinnedBytes / 2 { open[id]?.end = min(pin.end, now) }
        }
    }

    /// Those whose time is over.
    mutating func takeOver(at now: Nanoseconds) -> [Pin] {
        let over = open.values.filter { $0.end <= now }
        for pin in over { open[pin.finding.id] = nil }
        return over
    }
}

extension FlightPins.Pin {
    /// The name of what says so: sorted with the first segment of it.
    var stem: String {
        let id = finding.id.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }.prefix(40)
        return (names.first?.stem ?? "none") + "-" + finding.anomaly.rawValue + "-" + String(id)
    }

    /// One JSON object in a line. Whatever text is in it is escaped and cut.
    func json(_ anchor: ClockAnchor) -> [UInt8] {
        func time(_ at: Nanoseconds) -> String {
            "\"" + FlightName.stamp(anchor.wall(at: at) / 1_000_000_000, separators: true) + "\""
        }
        func text(_ text: String) -> String {
            var bytes: [UInt8] = []
            Sanitizer.escape(text, into: &bytes, longest: 500)
            return "\"" + String(decoding: bytes, as: UTF8.self) + "\""
        }
        // As many as fit: the first ones, and the last.
        let segments = names.count <= 64 ? names : Array(names.prefix(63)) + names.suffix(1)
        let list = segments.map { "\"\($0)\"" }.joined(separator: ",")
        var line =
            "{\"v\":1,\"type\":\"pin\",\"finding\":\(text(finding.id)),\"anomaly\":\"\(finding.anomaly.rawValue)\""
        line += ",\"severity\":\"\(finding.severity.rawValue)\",\"state\":\"\(finding.state.rawValue)\""
        line += ",\"begin\":\(time(finding.begin)),\"end\":\(finding.end.map(time) ?? "null")"
        line += ",\"kept_from\":\(time(begin)),\"kept_until\":\(time(end)),\"summary\":\(text(finding.summary))"
        return Array((line + ",\"segments\":[\(list)]}\n").utf8)
    }
}
