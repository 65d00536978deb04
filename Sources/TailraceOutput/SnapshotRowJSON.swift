// SPDX-License-Identifier: MIT
import TailraceModel

// Rows of a snapshot, with the names that `trace` has for the same.
extension JSONLine {
    mutating func serverRow(_ row: ServerRow) {
        object("server") { $0.server(row.server) }
        field("in_flight", row.inFlight)
        field("connections", row.connections)
        object("socket") {
            $0.field("queued_bytes", row.queuedBytes)
            $0.field("unsent_bytes", row.unsentBytes)
            $0.field("blocked_writers", row.blockedWriters)
        }
        if let tasks = row.tasks {
            object("tasks") {
                $0.field("provider", string: tasks.provider)
                $0.field("open", tasks.open)
            }
        } else {
            null("tasks")
        }
        pressure("pressure", row.pressure.all)
    }

    mutating func responseRow(_ row: ResponseRow, _ anchor: ClockAnchor) {
        field("id", string: row.key.id)
        field("state", string: row.endedBy == nil ? "open" : "ended")
        field("begin", wall: row.begin.map { anchor.wall(at: $0) })
        field("duration_ns", row.duration)
        object("server") { $0.server(row.server) }
        object("connection") { $0.connection(row.connection) }
        request(row.request)
        field("status", row.status)
        field("streaming", row.isStreaming)
        field("ended_by", string: row.endedBy?.rawValue)
        field("stage", string: row.stage.rawValue)
        field("held_by", string: row.holder.cause?.rawValue)
        field("wait_ns", row.wait)
        field("blocked_ns", row.blocked)
        field("silence_ns", row.silence)
        field("usual_gap_ns", row.gap)
        field("flushes", row.flushes)
        object("socket") {
            $0.field("queued_bytes", row.queuedBytes)
            $0.field("unsent_bytes", row.unsentBytes)
            $0.field("srtt_ns", row.rtt)
        }
        field("drained_bytes_per_second", number: row.drained)
        field("open_tasks", row.tasks)
        field("client_gone", row.isClientGone)
        guard let timeline = row.timeline else { return null("timeline_ns") }
        object("timeline_ns") { for stage in Stage.allCases { $0.field(stage.name, timeline[stage]) } }
    }

    mutating func socketRow(_ row: SocketRow, _ anchor: ClockAnchor) {
        connection(row.connection)
        object("server") { $0.server(row.server) }
        field("response", string: row.response?.id)
        request(row.request)
        field("held_by", string: row.holder.cause?.rawValue)
        field("wait_ns", row.wait)
        field("client_fin", wall: row.clientFin.map { anchor.wall(at: $0) })
        object("socket") {
            $0.socket(row.sample)
            $0.field("srtt_ns", row.rtt)
            $0.field("least_rtt_ns", row.leastRTT)
        }
        field("drained_bytes_per_second", number: row.drained)
        field("written_bytes_per_second", number: row.written)
        field("peer_window_share", share: row.peerWindowShare)
    }

    private mutating func socket(_ sample: SocketSample) {
        field("queued_bytes", Int64(sample.queuedBytes))
        field("unsent_bytes", Int64(sample.unsentBytes))
        field("unacked_bytes", Int64(sample.unackedBytes))
        field("oldest_unsent_ns", sample.oldestUnsent)
        field("blocked_ns", sample.blocked)
        field("sndbuf_bytes", Int64(sample.sndbufBytes))
        field("peer_window_bytes", Int64(sample.peerWindow))
        field("congestion_window_segments", Int64(sample.congestionWindow))
        field("retransmits", Int64(sample.retransmits))
        field("rwnd_limited_ns", sample.rwndLimited)
        field("sndbuf_limited_ns", sample.sndbufLimited)
    }

    /// A row has both as one text.
    private mutating func request(_ words: String) {
        let parts = words.split(separator: " ", maxSplits: 1)
        field("method", string: parts.first.map(String.init))
        field("target", string: parts.count > 1 ? String(parts[1]) : nil)
    }
}

extension Holder {
    /// What holds the bytes; nil: nothing is held.
    fileprivate var cause: WaitCause? {
        switch self {
        case .nobody: nil
        case .client: .peerWindow
        case .path: .congestionWindow
        case .device: .qdisc
        case .unclear: .other
        }
    }
}
