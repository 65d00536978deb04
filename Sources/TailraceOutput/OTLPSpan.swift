// SPDX-License-Identifier: MIT
import TailraceModel

/// Spans in OTLP's JSON: 64-bit integers are strings there, ids hexadecimal. Names are those of OpenTelemetry's semantic
/// conventions 1.27 (HTTP server spans, process, host) where they have one, and begin with `tailrace.` where not.
extension JSONLine {
    /// The process, as a resource.
    mutating func resource(_ server: Server?, _ run: RunDescription) {
        attributes { list in
            list.add("service.name", server?.comm ?? "unknown_service")
            list.add("host.name", run.host)
            list.add("os.type", "linux")
            list.add("os.version", run.kernel)
            list.add("process.pid", server.map { Int64($0.pid) })
            list.add("process.executable.path", server?.executable)
            list.add("tailrace.cgroup", server?.cgroup)
            list.add("container.id", server?.container?.id)
            list.add("container.name", server?.container?.name)
            list.add("k8s.pod.uid", server?.container?.podUID)
            list.add("k8s.pod.name", server?.container?.pod)
            list.add("k8s.namespace.name", server?.container?.namespace)
            list.add("tailrace.backend", run.backend)
        }
    }

    /// A response. Its name holds no path: those are without number.
    mutating func span(_ response: borrowing Response, _ identity: OTLPIdentity, anchor: ClockAnchor) {
        let name = response.method ?? response.protocolName?.rawValue ?? "response"
        span(name, kind: 2, identity, from: anchor.wall(at: response.begin), to: anchor.wall(at: response.end))
        attributes { list in
            list.exchange(response)
            list.story(response)
        }
        events(of: response, anchor: anchor)
        let isFault = (response.status ?? 0) >= 500 || response.endedBy == .serverReset || response.endedBy == .timeout
        if isFault { object("status") { $0.field("code", 2) } }
    }

    /// A finding that is over.
    mutating func span(_ finding: Finding, _ identity: OTLPIdentity, anchor: ClockAnchor) {
        let end = anchor.wall(at: max(finding.begin, finding.end ?? finding.at))
        span(finding.anomaly.rawValue, kind: 1, identity, from: anchor.wall(at: finding.begin), to: end)
        attributes { list in
            list.add("tailrace.finding.id", finding.id)
            list.add("tailrace.finding.severity", finding.severity.rawValue)
            list.add("tailrace.finding.summary", finding.summary)
            list.add("client.address", finding.connection?.remote.address)
        }
    }

    private mutating func span(
        _ name: String, kind: Int, _ identity: OTLPIdentity, from begin: Int64, to end: Int64
    ) {
        field("traceId", string: identity.trace)
        field("spanId", string: identity.span)
        field("name", string: name)
        field("kind", kind)
        field("startTimeUnixNano", string: String(begin))
        field("endTimeUnixNano", string: String(end))
    }

    /// Where each stage begins, and for how long it lasts in all: `app`, `send` and `blocked` alternate, and are told once.
    private mutating func events(of response: borrowing Response, anchor: ClockAnchor) {
        var at = response.begin
        var events: [(at: Nanoseconds, name: String, length: Int64?)] = []
        for stage in Stage.allCases {
            guard let length = response.timeline[stage], length > 0 else { continue }
            events.append((at, stage.rawValue, length))
            at += length
        }
        if let first = response.timeToFirstFlush { events.append((response.begin + first, "first_flush", nil)) }
        array("events", events) { line, event in
            line.field("timeUnixNano", string: String(anchor.wall(at: event.at)))
            line.field("name", string: "tailrace." + event.name)
            line.attributes { $0.add("tailrace.duration_ns", event.length) }
        }
    }

    /// Key-value pairs.
    mutating func attributes(_ fill: (inout OTLPAttributes) -> Void) {
        var list = OTLPAttributes()
        fill(&list)
        array("attributes", json: list.attributes)
    }
}

/// Key-value pairs; what is not known has none.
struct OTLPAttributes {
    private(set) var attributes: [[UInt8]] = []

    mutating func add(_ key: StaticString, _ value: String?) {
        guard let value else { return }
        add(key) { $0.field("stringValue", string: value) }
    }

    mutating func add(_ key: StaticString, _ value: Int64?) {
        guard let value else { return }
        add(key) { $0.field("intValue", string: String(value)) }
    }

    mutating func add(_ key: StaticString, isTrue value: Bool) { add(key) { $0.field("boolValue", value) } }

    private mutating func add(_ key: StaticString, _ value: (inout JSONLine) -> Void) {
        var line = JSONLine()
        line.field("key", string: key.description)
        line.object("value", value)
        attributes.append(line.closed().dropLast())
    }

    /// What went over the connection.
    mutating func exchange(_ response: borrowing Response) {
        let (local, remote) = (response.connection.local, response.connection.remote)
        let version = response.protocolName?.rawValue.split(separator: "/").last.map(String.init)
        let isHTTP = response.protocolName?.rawValue.hasPrefix("http") ?? false
        add("http.request.method", response.method)
        add("url.path", response.target)
        add("http.response.status_code", response.status.map(Int64.init))
        if (response.status ?? 0) >= 500 { add("error.type", response.status.map(String.init)) }
        add("http.request.size", response.requestBytes)
        add("http.response.size", response.responseBytes)
        add("network.protocol.name", isHTTP ? "http" : nil)
        add("network.protocol.version", isHTTP ? version : nil)
        add("network.transport", "tcp")
        add("network.type", local.isIPv4 ? "ipv4" : "ipv6")
        add("server.address", local.address)
        add("server.port", Int64(local.port))
        add("client.address", remote.address)
        add("client.port", Int64(remote.port))
    }

    /// What only a look from the kernel tells.
    mutating func story(_ response: borrowing Response) {
        add("tailrace.response.id", response.id)
        add("tailrace.state", response.state.rawValue)
        add("tailrace.ended_by", response.endedBy?.rawValue)
        add("tailrace.streaming", isTrue: response.isStreaming)
        add("tailrace.estimated", isTrue: response.isEstimated)
        add("tailrace.flushes", response.flushes)
        add("tailrace.ttff_ns", response.timeToFirstFlush)
        add("tailrace.ack_delay_ns", response.ackDelay)
        add("tailrace.held_ns.peer_window", response.causes.peerWindow)
        add("tailrace.held_ns.congestion_window", response.causes.congestionWindow)
        add("tailrace.held_ns.qdisc", response.causes.qdisc)
        add("tailrace.held_ns.other", response.causes.other)
        add("tailrace.unsent_bytes_max", response.pressure.unsentBytesMax)
        add("tailrace.oldest_unsent_ns_max", response.pressure.oldestUnsentMax)
        add("tailrace.in_flight.begin", Int64(response.inFlight.begin))
        add("tailrace.tasks.provider", response.tasks?.provider)
        add("tailrace.tasks.begin", response.tasks?.begin.map(Int64.init))
        add("tailrace.tasks.end", response.tasks?.end.map(Int64.init))
        add("tailrace.left_behind", response.leftBehind.map(Int64.init))
    }
}
