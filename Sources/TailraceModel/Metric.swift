// SPDX-License-Identifier: MIT

/// What is counted or measured, under the name that both outputs derive theirs from. They never change within version 1.
///
/// OpenTelemetry has `tailrace.response.duration` in `s`; OpenMetrics has `tailrace_response_duration_seconds`.
public struct Metric: Sendable, Hashable {
    /// What its numbers mean over time.
    public enum Kind: String, Sendable { case counter, gauge, histogram, info }

    /// Of its numbers.
    public enum Unit: String, Sendable {
        case seconds
        case bytes
        /// A number of things.
        case count = ""
    }

    /// With dots, without unit.
    public let dotted: String
    /// What its numbers mean over time.
    public let kind: Kind
    /// Of its numbers.
    public let unit: Unit
    /// One sentence without its full stop.
    public let help: String

    init(_ dotted: String, _ kind: Kind, _ unit: Unit, _ help: String) {
        self.dotted = dotted
        self.kind = kind
        self.unit = unit
        self.help = help
    }

    /// With its unit, and without the suffix of its kind: `tailrace_response_duration_seconds`.
    public var name: String {
        let name = String(dotted.map { $0 == "." ? "_" : $0 })
        return unit == .count ? name : name + "_" + unit.rawValue
    }

    /// By name alone: no two have the same.
    public static func == (left: Metric, right: Metric) -> Bool { left.dotted == right.dotted }

    /// By name alone.
    public func hash(into hasher: inout Hasher) { hasher.combine(dotted) }

    /// All there are, in the order in which they are told.
    public static let all: [Metric] =
        distributions + totals + sockets + programs + findings + own + ownEvents + ownService + ownFlight + ownExport
}

/// By server: comm, cgroup and port.
extension Metric {
    package static let responseDuration = Metric(
        "tailrace.response.duration", .histogram, .seconds,
        "From a request's first readable byte to the ACK of its response's last byte")
    package static let responseStage = Metric(
        "tailrace.response.stage", .histogram, .seconds,
        "Time of plain responses in each stage of their timeline; the stages sum to the duration")
    package static let firstFlush = Metric(
        "tailrace.response.first_flush", .histogram, .seconds,
        "From a response's begin to its first send call that carries body (TTFF)")
    package static let flushGap = Metric(
        "tailrace.flush.gap", .histogram, .seconds, "Between adjacent flushes of a response, sent and acknowledged")
    package static let flushDelivery = Metric(
        "tailrace.flush.delivery", .histogram, .seconds, "From a flush's send call to its ACK")
    package static let flushStage = Metric(
        "tailrace.flush.stage", .histogram, .seconds, "Time of flushes in each stage of their delivery")
    static let distributions = [
        responseDuration, responseStage, firstFlush, flushGap, flushDelivery, flushStage,
    ]

    package static let responses = Metric(
        "tailrace.responses", .counter, .count, "Responses that ended, by how they ended and their status")
    package static let responsesLeftOut = Metric(
        "tailrace.left_out_responses", .counter, .count,
        "Responses in no distribution: events of them were lost, or they were under way when tracing began (adopted)")
    package static let responsesEstimated = Metric(
        "tailrace.estimated_responses", .counter, .count, "Responses of which a part is an estimate")
    package static let requestBytes = Metric(
        "tailrace.request.size", .counter, .bytes, "Bytes of requests, of responses that ended")
    package static let responseBytes = Metric(
        "tailrace.response.size", .counter, .bytes, "Bytes of responses that ended, heads included")
    package static let responseHeld = Metric(
        "tailrace.response.held", .counter, .seconds, "Time of responses in blocked and queue, by what held them")
    package static let ackDelay = Metric(
        "tailrace.response.ack_delay", .counter, .seconds,
        "Time of responses in network beyond the smoothed round trip: mostly delayed ACKs")
    package static let retransmits = Metric(
        "tailrace.retransmits", .counter, .count, "Segments sent again, of responses that ended")
    package static let flushes = Metric(
        "tailrace.flushes", .counter, .count, "Flushes that were acknowledged or given up, of open responses too")
    package static let flushBytes = Metric("tailrace.flush.size", .counter, .bytes, "Bytes of these flushes")
    package static let flushesLeftOut = Metric(
        "tailrace.left_out_flushes", .counter, .count,
        "Flushes in no distribution: never acknowledged, or events of their response were lost")
    static let totals = [
        responses, responsesLeftOut, responsesEstimated, requestBytes, responseBytes, responseHeld, ackDelay,
        retransmits, flushes, flushBytes, flushesLeftOut,
    ]

    package static let openResponses = Metric(
        "tailrace.open_responses", .gauge, .count, "Connections with a response in the making")
    package static let oldestOpenResponse = Metric(
        "tailrace.oldest_open_response", .gauge, .seconds, "Age of the response that has been open for longest")
    package static let connections = Metric("tailrace.connections", .gauge, .count, "Connections that are followed")
    package static let queuedBytes = Metric(
        "tailrace.queued", .gauge, .bytes, "Sum of sk_wmem_queued: kernel memory held for bytes to send")
    package static let unsentBytes = Metric(
        "tailrace.unsent", .gauge, .bytes, "Sum of write_seq - snd_nxt: written and not sent")
    package static let unackedBytes = Metric(
        "tailrace.unacked", .gauge, .bytes, "Sum of snd_nxt - snd_una: sent and not acknowledged")
    package static let oldestUnsent = Metric(
        "tailrace.oldest_unsent", .gauge, .seconds, "The longest that an unsent byte has waited")
    package static let blockedWriters = Metric(
        "tailrace.blocked_writers", .gauge, .count, "Connections whose writer waits for room in the send buffer")
    static let sockets = [
        openResponses, oldestOpenResponse, connections, queuedBytes, unsentBytes, unackedBytes, oldestUnsent,
        blockedWriters,
    ]
}

/// By program: comm and cgroup, over all its processes and ports.
extension Metric {
    package static let processes = Metric(
        "tailrace.processes", .gauge, .count, "Processes with connections that are followed")
    package static let inFlight = Metric(
        "tailrace.in_flight", .gauge, .count, "Responses in flight: begun and not ended")
    package static let openTasks = Metric(
        "tailrace.open_tasks", .gauge, .count, "Concurrent units that the program holds, by who counts them")
    package static let orphanedTasks = Metric(
        "tailrace.orphaned_tasks", .gauge, .count, "Tasks that responses left behind whose client is gone")
    package static let pressure = Metric(
        "tailrace.pressure", .counter, .seconds,
        "Time in which at least one response in flight (some), or all of them (full), were held by queues; summed over "
            + "processes")
    package static let causePressure = Metric(
        "tailrace.cause_pressure", .counter, .seconds, "The same, of responses held by one cause")
    static let programs = [processes, inFlight, openTasks, orphanedTasks, pressure, causePressure]

    package static let findingsOpened = Metric(
        "tailrace.findings", .counter, .count, "Findings that opened, by the severity they opened with")
    package static let openFindings = Metric("tailrace.open_findings", .gauge, .count, "Findings that are open")
    static let findings = [findingsOpened, openFindings]
}
