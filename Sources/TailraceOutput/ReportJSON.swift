// SPDX-License-Identifier: MIT
import TailraceModel

/// A report for programs: one JSON object of type `report`, one line.
public struct ReportJSON {
    private let run: RunDescription

    /// `run`: what it was.
    public init(run: RunDescription) { self.run = run }

    /// The whole report; `recording`: what of a recording was used, nil where the run is live.
    public func line(_ report: Report, recording: RecordingEnd? = nil) -> [UInt8] {
        var line = JSONLine(type: "report")
        line.run(run)
        line.field("begin", wall: report.begin)
        line.field("end", wall: report.begin + report.duration)
        line.field("duration_ns", report.duration)
        line.array("servers", report.servers) { server($1, &$0) }
        line.field("other_responses", report.otherResponses)
        findings(of: report, &line)
        line.array("functions", report.functions) {
            $0.field("name", string: $1.name)
            $0.field("total_ns", $1.times.sum)
            $0.percentiles("time_ns", $1.times)
        }
        line.events(report.loss)
        line.object("loss") {
            $0.loss(report.loss)
            $0.field("unattributed", report.unattributed)
        }
        if let recording { line.object("recording") { $0.recording(recording) } }
        return line.closed()
    }

    private func server(_ server: ServerReport, _ line: inout JSONLine) {
        line.field("comm", string: server.comm)
        line.field("exe", string: server.executable)
        line.field("cgroup", string: server.cgroup)
        line.field("port", Int64(server.port))
        line.array("pids", numbers: server.pids.map(Int64.init))
        line.field("summary", sentences: ReportStory(server).paragraphs.joined(separator: " "))
        counts(server, &line)
        line.array("timelines", server.timelines) { timeline($1, &$0) }
        open(server.open, &line)
        line.array("pace", server.paces) { line, pace in
            line.field("streaming", pace.isStreaming)
            line.percentiles("ttff_ns", pace.timeToFirstFlush)
            line.object("gap_ns") {
                $0.percentiles("sent", pace.gapSent)
                $0.percentiles("acked", pace.gapAcked)
            }
        }
        line.object("delivery_ns") {
            $0.percentiles("send", server.delivery.send)
            $0.percentiles("queue", server.delivery.queue)
            $0.percentiles("qdisc", server.delivery.qdisc)
            $0.percentiles("driver", server.delivery.driver)
            $0.percentiles("network", server.delivery.network)
            $0.percentiles("total", server.delivery.total)
        }
        line.causes(server.causes)
        lists(server, &line)
    }

    private func counts(_ server: ServerReport, _ line: inout JSONLine) {
        line.object("responses") {
            $0.field("ended", server.ended)
            $0.field("open", server.open.count)
            $0.field("excluded", server.excluded)
            $0.field("adopted", server.adopted)
            $0.field("estimated", server.estimated)
            $0.field("in_flight_max", server.inFlightMax)
        }
        line.object("ended_by") { line in
            for (ending, name) in Ending.names {
                line.field(name, server.endings.first { $0.ending == ending }?.count ?? 0)
            }
        }
        line.array("status", server.statuses) {
            $0.field("hundreds", $1.hundreds > 0 ? $1.hundreds : nil)
            $0.field("count", $1.count)
        }
        line.field("request_bytes", server.requestBytes)
        line.field("response_bytes", server.responseBytes)
        line.field("flushes", server.flushes)
    }

    private func timeline(_ timeline: TimelineReport, _ line: inout JSONLine) {
        line.field("streaming", timeline.isStreaming)
        line.percentiles("duration_ns", timeline.duration)
        line.object("stages") { line in
            for stage in Stage.allCases {
                line.object(stage.name) {
                    $0.percentiles("time_ns", timeline.stages[stage.index])
                    $0.field("share", share: timeline.share(of: stage))
                }
            }
        }
        line.causes(timeline.causes)
        let slow = timeline.slow
        line.object("slow") { line in
            line.field("count", slow.count)
            line.field("shortest_ns", slow.shortest)
            line.object("share") { line in
                for stage in Stage.allCases { line.field(stage.name, share: slow[stage]) }
            }
            line.causes(slow.causes)
            line.field("ack_delay_share", share: slow.ackDelayShare)
            line.field("peer", string: slow.worstPeer?.description)
            line.field("peer_share", share: slow.worstPeer.map { _ in slow.worstPeerShare })
        }
    }

    private func open(_ open: OpenReport, _ line: inout JSONLine) {
        line.object("open") { line in
            line.field("count", open.count)
            line.field("oldest_ns", open.oldest)
            line.object("timeline_ns") { for stage in Stage.allCases { $0.field(stage.name, open.times[stage]) } }
            line.causes(open.causes)
            line.field("unsent_bytes_max", open.unsentBytesMax)
        }
    }

    // MARK: Lists

    private func lists(_ server: ServerReport, _ line: inout JSONLine) {
        line.array("queue", server.queue) {
            $0.field("queued_bytes_up_to", $1.upTo)
            $0.field("flushes", $1.flushes)
            $0.field("wait_mean_ns", $1.meanWait)
            $0.field("unsent_bytes_mean", $1.meanUnsent)
            $0.field("drain_bytes_per_second", $1.drainRate.map { Int64(nearest: $0) })
            $0.field("predicted_wait_ns", $1.predictedWait)
        }
        line.array("slowest", server.slowest) { response($1, &$0) }
        line.array("peers", server.peers + [server.otherPeers].compactMap { $0 }) {
            $0.field("address", string: $1.host?.address)
            $0.field("responses", $1.responses)
            $0.field("held_ns", $1.held)
            $0.causes($1.causes)
            $0.field("unsent_bytes_max", $1.unsentBytesMax)
            $0.field("worst", string: $1.worst?.description)
            $0.field("worst_held_ns", $1.worstHeld)
        }
        line.array("targets", server.targets + [server.otherTargets].compactMap { $0 }) { line, target in
            line.field("target", string: target.name)
            line.percentiles("duration_ns", target.duration)
            line.object("timeline_ns") { for stage in Stage.allCases { $0.field(stage.name, target.times[stage]) } }
            line.field("errors", target.errors)
        }
    }

    private func response(_ response: ToldResponse, _ line: inout JSONLine) {
        line.field("id", string: response.id)
        line.field("state", string: response.state.rawValue)
        line.field("begin", wall: response.begin)
        line.field("duration_ns", response.duration)
        line.field("remote", string: response.remote.description)
        line.field("protocol", string: response.protocolName?.rawValue)
        line.field("method", string: response.method)
        line.field("target", string: response.target)
        line.field("status", response.status)
        line.field("streaming", response.isStreaming)
        line.field("ended_by", string: response.endedBy?.rawValue)
        line.object("timeline_ns") { for stage in Stage.allCases { $0.field(stage.name, response.timeline[stage]) } }
        line.causes(response.causes)
        line.field("response_bytes", response.responseBytes)
        line.field("unsent_bytes_max", response.unsentBytesMax)
        line.field("estimated", response.isEstimated)
    }
}

extension Ending {
    fileprivate static let names: [(Ending, StaticString)] = [
        (.complete, "complete"), (.clientFin, "client_fin"), (.clientReset, "client_reset"),
        (.serverClose, "server_close"), (.serverReset, "server_reset"), (.timeout, "timeout"), (.unknown, "unknown"),
    ]
}

extension JSONLine {
    fileprivate mutating func percentiles(_ name: StaticString, _ values: Distribution) {
        object(name) {
            $0.field("count", values.count)
            $0.field("mean", values.mean)
            $0.field("p50", values.p50)
            $0.field("p90", values.p90)
            $0.field("p99", values.p99)
            $0.field("max", values.count > 0 ? values.max : nil)
        }
    }

    fileprivate mutating func causes(_ causes: CauseTimes) {
        object("cause_ns") { for cause in WaitCause.allCases { $0.field(cause.name, causes[cause]) } }
    }
}
