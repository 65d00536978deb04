// SPDX-License-Identifier: MIT
import TailraceModel

/// NDJSON, version 1: one object a line, `"v":1` and `"type"` first (DESIGN, "JSON").
public struct NDJSON: ResponseFormat {
    private let run: RunDescription
    /// In its own lines.
    public var tellsLoss: Bool { true }

    /// Lines of one run.
    public init(run: RunDescription) { self.run = run }

    /// The first line: `meta`.
    public func begin() -> [UInt8] {
        var line = JSONLine(type: "meta")
        line.run(run)
        if let target = run.daemonTarget {
            line.object("daemon_target") { $0.target(target) }
        } else {
            line.null("daemon_target")
        }
        line.object("clock") {
            $0.field("monotonic_ns", run.anchor.monotonic)
            $0.field("wall", wall: run.anchor.wall)
        }
        return line.closed()
    }

    /// One response; `anchor`: for its wall times.
    public func response(_ response: Response, anchor: ClockAnchor) -> [UInt8] {
        var line = JSONLine(type: "response")
        line.field("id", string: response.id)
        line.field("state", string: response.state.rawValue)
        line.field("begin", wall: anchor.wall(at: response.begin))
        line.field("end", wall: response.state == .ended ? anchor.wall(at: response.end) : nil)
        line.field("duration_ns", response.duration)
        identity(of: response, &line)
        line.field("request_bytes", response.requestBytes)
        line.field("response_bytes", response.responseBytes)
        line.field("flushes", response.flushes)
        line.field("ttff_ns", response.timeToFirstFlush)
        line.field("ack_delay_ns", response.ackDelay)
        line.field("backend", string: run.backend)
        line.object("timeline_ns") { for stage in Stage.allCases { $0.field(stage.name, response.timeline[stage]) } }
        line.object("cause_ns") { for cause in WaitCause.allCases { $0.field(cause.name, response.causes[cause]) } }
        delivery(response.delivery, &line)
        line.object("gap_ns") {
            $0.gap("sent", response.gapSent)
            $0.gap("acked", response.gapAcked)
        }
        pressure(response.pressure, &line)
        counts(of: response, &line)
        line.field("adopted", response.isAdopted)
        line.field("estimated", response.isEstimated)
        return line.closed()
    }

    private func identity(of response: Response, _ line: inout JSONLine) {
        line.object("server") {
            $0.server(response.server)
        }
        line.object("connection") {
            $0.field("id", string: String(response.connection.cookie, radix: 16))
            $0.field("local", string: response.connection.local.description)
            $0.field("remote", string: response.connection.remote.description)
            $0.field("family", string: response.connection.local.isIPv4 ? "ipv4" : "ipv6")
        }
        line.field("protocol", string: response.protocolName?.rawValue)
        line.field("method", string: response.method)
        line.field("target", string: response.target)
        line.field("status", response.status)
        line.field("content_type", string: response.contentType)
        line.field("streaming", response.isStreaming)
        line.field("ended_by", string: response.endedBy?.rawValue)
    }

    private func delivery(_ delivery: DeliveryDistributions, _ line: inout JSONLine) {
        line.object("delivery_ns") {
            $0.distribution("send", delivery.send)
            $0.distribution("queue", delivery.queue)
            $0.distribution("qdisc", delivery.qdisc)
            $0.distribution("driver", delivery.driver)
            $0.distribution("network", delivery.network)
            $0.distribution("total", delivery.total)
        }
    }

    private func pressure(_ pressure: SocketPressure, _ line: inout JSONLine) {
        line.object("socket") {
            $0.field("queued_bytes_max", pressure.queuedBytesMax)
            $0.field("unsent_bytes_max", pressure.unsentBytesMax)
            $0.field("unacked_bytes_max", pressure.unackedBytesMax)
            $0.field("oldest_unsent_ns_max", pressure.oldestUnsentMax)
            $0.field("sndbuf_bytes", pressure.sndbufBytes)
            $0.field("srtt_ns", pressure.srtt)
            $0.field("retransmits", pressure.retransmits)
            $0.field("rwnd_limited_ns", pressure.rwndLimited)
            $0.field("sndbuf_limited_ns", pressure.sndbufLimited)
        }
    }

    private func counts(of response: Response, _ line: inout JSONLine) {
        line.tasks(of: response)
        line.object("in_flight") {
            $0.field("begin", response.inFlight.begin)
            $0.field("end", response.inFlight.end)
            $0.field("max", response.inFlight.max)
        }
        line.serving(response)
        line.field("left_behind", response.leftBehind)
    }

    /// One flush.
    public func flush(_ flush: Flush, anchor: ClockAnchor) -> [UInt8] {
        var line = JSONLine(type: "flush")
        line.field("response", string: flush.response)
        line.field("at", wall: anchor.wall(at: flush.at))
        line.field("bytes", flush.bytes)
        line.field("writes", flush.writes)
        line.object("delivery_ns") {
            for stage in Stage.delivery { $0.field(stage.name, flush.stages[stage]) }
            $0.field("total", flush.total)
        }
        line.field("queued_bytes", flush.queuedBytes)
        line.field("unsent_bytes", flush.unsentBytes)
        return line.closed()
    }

    /// The sockets of one server.
    public func sample(_ sample: ServerSample, anchor: ClockAnchor) -> [UInt8] {
        var line = JSONLine(type: "sample")
        line.field("at", wall: anchor.wall(at: sample.at))
        line.object("server") { $0.server(sample.server) }
        line.tasks(of: sample)
        line.field("in_flight", sample.inFlight)
        line.field("connections", sample.connections)
        line.object("socket") {
            $0.field("queued_bytes", sample.queuedBytes)
            $0.field("unsent_bytes", sample.unsentBytes)
            $0.field("unacked_bytes", sample.unackedBytes)
            $0.field("oldest_unsent_ns_max", sample.oldestUnsent)
            $0.field("blocked_writers", sample.blockedWriters)
        }
        line.object("waiting") {
            $0.field("connections", sample.unaccepted)
            $0.field("requests", sample.unread)
            $0.field("longest_ns", sample.longestWait)
        }
        line.pressure("pressure", sample.pressure)
        return line.closed()
    }

    /// A finding that opened, changed or closed.
    public func finding(_ finding: Finding, anchor: ClockAnchor) -> [UInt8] {
        var line = JSONLine(type: "finding")
        line.finding(finding, anchor: anchor)
        return line.closed()
    }

    /// A loss that grew while the run goes on.
    public func loss(_ loss: Loss, at wall: Int64) -> [UInt8] {
        var line = JSONLine(type: "loss")
        line.field("at", wall: wall)
        line.object("loss") { $0.loss(loss) }
        return line.closed()
    }

    /// How much the daemon does, once that has changed.
    public func detail(_ level: DetailLevel, at wall: Int64) -> [UInt8] {
        var line = JSONLine(type: "detail")
        line.field("at", wall: wall)
        line.object("detail") { $0.detail(level) }
        return line.closed()
    }

    /// The last line: how many objects of each type, what was lost, and how a recording ends.
    public func end(_ end: RunEnd) -> [UInt8] {
        var line = JSONLine(type: "end")
        line.field("at", wall: end.wall)
        line.object("counts") {
            $0.field("response", end.counts.responses)
            $0.field("open", end.counts.open)
            $0.field("connections", end.counts.connections)
            $0.field("flush", end.counts.flushes)
            $0.field("finding", end.counts.findings)
        }
        line.events(end.loss)
        line.object("loss") {
            $0.loss(end.loss)
            $0.field("unattributed", end.unattributed)
        }
        if let recording = end.recording { line.object("recording") { $0.recording(recording) } }
        return line.closed()
    }
}
