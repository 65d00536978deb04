// SPDX-License-Identifier: MIT
import TailraceModel

/// Series as Prometheus reads them: OpenMetrics 1.0, with exemplars; or the older text format, for whoever does not ask for it.
///
/// No `_created` lines: Prometheus takes them for series of their own. Both formats write a bound the same way (`le="1.0"`), so
/// that a series does not become another one when the format changes.
public struct OpenMetrics: Sendable {
    /// What the other side reads.
    public enum Dialect: Sendable { case openMetrics, prometheus }
    /// What is written.
    public let dialect: Dialect

    /// In one of both.
    public init(_ dialect: Dialect) { self.dialect = dialect }

    /// What a request's `Accept` prefers; the older format where it does not say.
    public init(accept: String) {
        var best: (dialect: Dialect, quality: Double) = (.prometheus, 0)
        for range in accept.split(separator: ",") {
            let parts = range.split(separator: ";").map { Self.trimmed($0).lowercased() }
            let value = { (name: String) in
                parts.dropFirst().first { $0.hasPrefix(name + "=") }?.dropFirst(name.count + 1)
            }
            let isNewer = parts.first == "application/openmetrics-text"
            guard isNewer || parts.first == "text/plain" else { continue }
            if isNewer, let version = value("version"), version != "1.0.0" { continue }
            let quality = value("q").map { Double($0) ?? 0 } ?? 1
            // Of two that are as welcome, the one that tells more.
            if quality > best.quality || quality == best.quality && quality > 0 && isNewer {
                best = (isNewer ? .openMetrics : .prometheus, quality)
            }
        }
        dialect = best.dialect
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }

    /// For the answer's header.
    public var contentType: String {
        switch dialect {
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        }
    }

    /// All series.
    public func bytes(_ metrics: MetricSet) -> [UInt8] {
        var lines = ExpositionLines(isOpenMetrics: dialect == .openMetrics)
        for family in metrics.families { lines.add(family) }
        return lines.ended()
    }
}

/// Lines of an exposition.
private struct ExpositionLines {
    private var bytes: [UInt8] = []
    private let isOpenMetrics: Bool
    /// `le="0.0001"` ... `le="+Inf"`.
    private static let bounds: [[UInt8]] =
        MetricBounds.nanoseconds.map { Array("le=\"\(MetricText.seconds($0))\"".utf8) } + [Array("le=\"+Inf\"".utf8)]

    init(isOpenMetrics: Bool) {
        self.isOpenMetrics = isOpenMetrics
        bytes.reserveCapacity(1 << 16)
    }

    mutating func add(_ family: MetricFamily) {
        let metric = family.metric
        describe(metric)
        let name = Array((metric.name + suffix(of: metric.kind)).utf8)
        for series in family.series {
            let labels = MetricText.labels(series.labels)
            switch series.point {
            case .counter(let number), .gauge(let number): sample(name, labels, MetricText.number(number))
            case .info: sample(name, labels, "1")
            case .histogram(let point): histogram(point, name, labels)
            }
        }
    }

    private mutating func describe(_ metric: Metric) {
        let name = isOpenMetrics ? metric.name : metric.name + suffix(of: metric.kind)
        // The older format knows no info.
        let kind = !isOpenMetrics && metric.kind == .info ? "gauge" : metric.kind.rawValue
        text("# TYPE \(name) \(kind)\n")
        if isOpenMetrics, metric.unit != .count { text("# UNIT \(name) \(metric.unit.rawValue)\n") }
        text("# HELP \(name) \(metric.help).\n")
    }

    private func suffix(of kind: Metric.Kind) -> String {
        switch kind {
        case .counter: "_total"
        case .info: "_info"
        case .gauge, .histogram: ""
        }
    }

    private mutating func histogram(_ point: HistogramPoint, _ name: [UInt8], _ labels: [UInt8]) {
        var below: Int64 = 0
        var exemplars = point.exemplars[...]
        for (bucket, count) in point.counts.enumerated() {
            below &+= count
            bytes.append(contentsOf: name)
            text("_bucket{")
            bytes.append(contentsOf: labels)
            if !labels.isEmpty { bytes.append(0x2c) }
            bytes.append(contentsOf: Self.bounds[bucket])
            text("} \(below)")
            if let exemplar = exemplars.first, exemplar.bucket == bucket {
                exemplars.removeFirst()
                if isOpenMetrics { tell(exemplar) }
            }
            bytes.append(0x0a)
        }
        sample(name + Array("_sum".utf8), labels, MetricText.seconds(point.sum))
        sample(name + Array("_count".utf8), labels, String(below))
    }

    private mutating func tell(_ exemplar: Exemplar) {
        // Milliseconds are all that Prometheus keeps.
        let time = MetricText.seconds(exemplar.wall / 1_000_000 * 1_000_000)
        text(" # {response_id=\"\(exemplar.response)\"} \(MetricText.seconds(exemplar.value)) \(time)")
    }

    private mutating func sample(_ name: [UInt8], _ labels: [UInt8], _ value: String) {
        bytes.append(contentsOf: name)
        if !labels.isEmpty {
            bytes.append(0x7b)
            bytes.append(contentsOf: labels)
            bytes.append(0x7d)
        }
        text(" \(value)\n")
    }

    private mutating func text(_ text: String) { bytes.append(contentsOf: text.utf8) }

    consuming func ended() -> [UInt8] {
        if isOpenMetrics { bytes.append(contentsOf: "# EOF\n".utf8) }
        return bytes
    }
}

/// Numbers and labels as text.
enum MetricText {
    /// ns as decimal seconds, with all digits and one at least behind the point.
    static func seconds(_ nanoseconds: Int64) -> String {
        let sign = nanoseconds < 0 ? "-" : ""
        let (whole, rest) = nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
        guard rest > 0 else { return "\(sign)\(whole).0" }
        var digits = String(1_000_000_000 + rest).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(sign)\(whole).\(digits)"
    }

    static func number(_ number: MetricNumber) -> String {
        switch number {
        case .integer(let value): String(value)
        case .nanoseconds(let value): seconds(value)
        case .real(let value): value.isFinite ? String(value) : value.isNaN ? "NaN" : value > 0 ? "+Inf" : "-Inf"
        }
    }

    /// Without braces. Text from outside is safe here: it passes the sanitizer, and cannot end its label.
    static func labels(_ labels: [MetricLabel]) -> [UInt8] {
        var bytes: [UInt8] = []
        for label in labels {
            if !bytes.isEmpty { bytes.append(0x2c) }
            bytes.append(contentsOf: label.key.rawValue.utf8)
            bytes.append(contentsOf: [0x3d, 0x22])
            for byte in Sanitizer.visible(label.value).utf8 {
                if byte == 0x22 || byte == 0x5c { bytes.append(0x5c) }
                bytes.append(byte)
            }
            bytes.append(0x22)
        }
        return bytes
    }
}
