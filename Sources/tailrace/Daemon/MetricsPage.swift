// SPDX-License-Identifier: MIT
import Synchronization
import TailraceModel
import TailraceOutput

/// A set of metrics, and its text in each format, which is written once for all who ask.
final class MetricsPage: Sendable {
    private let metrics: MetricSet
    private let texts = Mutex<[OpenMetrics.Dialect: [UInt8]]>([:])
    /// It is shown to whoever asks before that.
    private let until: Nanoseconds

    /// A page is shown for so many times as long as its series took to collect: whoever asks without a pause costs a few percent.
    private static let patience: Int64 = 50
    private static let least: Nanoseconds = 100_000_000

    /// `took`: to collect them, ns.
    init(_ metrics: MetricSet, took: Nanoseconds, at now: Nanoseconds) {
        self.metrics = metrics
        until = now + max(Self.least, Self.patience * took)
    }

    func isFresh(at now: Nanoseconds) -> Bool { now < until }

    /// Not on the tracing thread: it may be thousands of lines. Who asks while they are written waits for them.
    func bytes(in format: OpenMetrics) -> [UInt8] {
        texts.withLock { texts in
            if let text = texts[format.dialect] { return text }
            let text = format.bytes(metrics)
            texts[format.dialect] = text
            return text
        }
    }
}
