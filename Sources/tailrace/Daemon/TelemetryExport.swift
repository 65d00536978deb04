// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceModel
import TailraceOutput
import TailraceService

/// Sends metrics, and spans of responses, to a collector. What is sent is written by a thread of its own; what there is no room
/// for is counted.
struct TelemetryExport {
    private let sender: OTLPSender
    private let run: RunDescription
    private let metrics: OTLPMetrics
    private var responses: [Response] = []
    private var findings: [Finding] = []
    private var nextMetrics: Nanoseconds = 0
    private var nextSpans: Nanoseconds = 0
    /// Spans that there was no room for.
    private var unsent: UInt64 = 0
    /// Which responses are sent.
    private var spans: DaemonConfiguration.Spans
    /// Time between two sets of metrics, ns.
    private var interval: Nanoseconds
    /// Spans of a second, at most.
    private static let mostSpans = 4096
    /// Of bodies that wait: a second's spans, and metrics.
    private static let queueBytes = 16 << 20
    /// Held for so long is held, ns.
    private static let held: Nanoseconds = 100_000_000

    /// nil: there is no endpoint.
    init?(_ settings: DaemonConfiguration, run: RunDescription) throws(ServiceError) {
        guard !settings.otlpEndpoint.isEmpty else { return nil }
        let headers = settings.otlpHeaders.map(SettingsCheck.header)
        sender = try OTLPSender(
            endpoint: try OTLPEndpoint(settings.otlpEndpoint), headers: headers, queueBytes: Self.queueBytes)
        self.run = run
        metrics = OTLPMetrics(run: run)
        (spans, interval) = (settings.otlpSpans, settings.otlpInterval)
    }

    /// Settings that may change at any time.
    mutating func set(_ settings: DaemonConfiguration) {
        (spans, interval) = (settings.otlpSpans, settings.otlpInterval)
    }

    /// To be called when this process has given up its rights: its thread begins here.
    func start() { sender.start() }

    /// What is waiting is sent, and the series as they are at the end, for at most a second.
    mutating func end(anchor: ClockAnchor, metrics set: MetricSet) {
        for body in metrics.requests(set) { sender.send(.metrics, body) }
        Self.send(responses, findings, run: run, anchor: anchor, by: sender)
        sender.stop(within: 1_000_000_000)
    }

    /// What an event led to. `isWhole` false: no spans are sent.
    mutating func take(_ actions: borrowing Actions, _ told: Watch.Told, isWhole: Bool) {
        guard isWhole, spans != .off else { return }
        for place in actions.settled.indices where spans == .all || Self.isSlow(actions.settled[place]) {
            guard responses.count < Self.mostSpans else {
                unsent += 1
                continue
            }
            responses.append(actions.settled[place])
        }
        for finding in told.findings where finding.state == .closed && findings.count < Self.mostSpans {
            findings.append(finding)
        }
    }

    private static func isSlow(_ response: borrowing Response) -> Bool {
        let times = response.timeline
        let held = (times[.blocked] ?? 0) + (times[.queue] ?? 0) + (times[.qdisc] ?? 0)
        return held >= Self.held || response.endedBy == .clientReset || response.endedBy == .serverReset
            || response.endedBy == .timeout
    }

    /// After each drain.
    mutating func tick(at now: Nanoseconds, anchor: ClockAnchor) {
        guard now >= nextSpans, !responses.isEmpty || !findings.isEmpty else { return }
        nextSpans = now + 1_000_000_000
        let (sender, run, responses, findings) = (sender, run, responses, findings)
        (self.responses, self.findings) = ([], [])
        Thread.start { Self.send(responses, findings, run: run, anchor: anchor, by: sender) }
    }

    /// In bodies of a size that a collector takes.
    private static func send(
        _ responses: [Response], _ findings: [Finding], run: RunDescription, anchor: ClockAnchor, by sender: OTLPSender
    ) {
        if let body = OTLPTrace.request([], findings, run: run, anchor: anchor) { sender.send(.traces, body) }
        for first in stride(from: 0, to: responses.count, by: spansOfBody) {
            let part = Array(responses[first..<min(first + spansOfBody, responses.count)])
            if let body = OTLPTrace.request(part, [], run: run, anchor: anchor) { sender.send(.traces, body) }
        }
    }
    /// A span is up to 4 KB.
    private static let spansOfBody = 256

    /// Whether `send` is due. They tell of the export itself, and so are made outside of it.
    func wantsMetrics(at now: Nanoseconds) -> Bool { now >= nextMetrics }

    /// Sends a set of metrics; the next one is due an interval later.
    mutating func send(_ set: MetricSet, at now: Nanoseconds) {
        nextMetrics = now + interval
        let (sender, format) = (sender, metrics)
        Thread.start { for body in format.requests(set) { sender.send(.metrics, body) } }
    }

    /// Until now.
    var account: DaemonAccount.OTLPCounts {
        let account = sender.account
        var counts = DaemonAccount.OTLPCounts()
        (counts.sent, counts.retried, counts.dropped) = (account.sent, account.retried, account.dropped)
        (counts.queuedBytes, counts.sentBytes) = (Int64(account.queuedBytes), account.sentBytes)
        counts.unsentSpans = unsent
        counts.failure = account.failure
        return counts
    }
}
