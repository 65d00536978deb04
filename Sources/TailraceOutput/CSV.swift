// SPDX-License-Identifier: MIT
import TailraceModel

/// A line for each response (RFC 4180), the names of the columns in the first one; units are in the names, which are those of
/// NDJSON joined by `_`. What is not known is empty. Flushes have no line; loss is said on stderr.
public struct CSV: ResponseFormat {
    private struct Column {
        let name: String
        let write: (borrowing Response, ClockAnchor, inout CSVLine) -> Void
    }
    private let columns: [Column]

    /// The columns of one run.
    public init(run: RunDescription) {
        let backend = run.backend
        columns =
            Self.times + Self.server + Self.exchange
            + [Column(name: "backend") { _, _, line in line.outside(backend) }]
            + Self.stages + Self.distributions + Self.socket
    }

    /// The names of the columns.
    public func begin() -> [UInt8] {
        var line = CSVLine()
        for column in columns { line.inside(column.name) }
        return line.closed()
    }

    /// One line.
    public func response(_ response: borrowing Response, anchor: ClockAnchor) -> [UInt8] {
        var line = CSVLine()
        for column in columns { column.write(response, anchor, &line) }
        return line.closed()
    }

    /// Flushes have no line.
    public func flush(_ flush: Flush, anchor: ClockAnchor) -> [UInt8] { [] }
    /// Nor have samples.
    public func sample(_ sample: ServerSample, anchor: ClockAnchor) -> [UInt8] { [] }
    /// Said on stderr.
    public func loss(_ loss: Loss, at wall: Int64) -> [UInt8] { [] }
    /// Said on stderr.
    public func end(_ end: RunEnd) -> [UInt8] { [] }
    /// It has no place for it.
    public var tellsLoss: Bool { false }

    private static func number(_ name: String, _ value: @escaping (borrowing Response) -> Int64?) -> Column {
        Column(name: name) { response, _, line in line.number(value(response)) }
    }

    private static func outside(_ name: String, _ value: @escaping (borrowing Response) -> String?) -> Column {
        Column(name: name) { response, _, line in line.outside(value(response)) }
    }

    private static func inside(_ name: String, _ value: @escaping (borrowing Response) -> String?) -> Column {
        Column(name: name) { response, _, line in line.inside(value(response)) }
    }

    private static var times: [Column] {
        [
            inside("id") { $0.id },
            inside("state") { $0.state.rawValue },
            Column(name: "begin") { response, anchor, line in
                line.inside(Timestamp.rfc3339(anchor.wall(at: response.begin)))
            },
            Column(name: "end") { response, anchor, line in
                line.inside(response.state == .ended ? Timestamp.rfc3339(anchor.wall(at: response.end)) : nil)
            },
            number("duration_ns") { $0.duration },
        ]
    }

    private static var server: [Column] {
        [
            number("server_pid") { $0.server.map { Int64($0.pid) } },
            outside("server_comm") { $0.server?.comm },
            outside("server_exe") { $0.server?.executable },
            outside("server_cgroup") { $0.server?.cgroup },
            inside("connection_id") { String($0.connection.cookie, radix: 16) },
            inside("connection_local") { $0.connection.local.description },
            inside("connection_remote") { $0.connection.remote.description },
            inside("connection_family") { $0.connection.local.isIPv4 ? "ipv4" : "ipv6" },
        ]
    }

    private static var exchange: [Column] {
        [
            inside("protocol") { $0.protocolName?.rawValue },
            outside("method") { $0.method },
            outside("target") { $0.target },
            number("status") { $0.status.map(Int64.init) },
            outside("content_type") { $0.contentType },
            inside("streaming") { $0.isStreaming ? "true" : "false" },
            inside("ended_by") { $0.endedBy?.rawValue },
            number("request_bytes") { $0.requestBytes },
            number("response_bytes") { $0.responseBytes },
            number("flushes") { $0.flushes },
            number("ttff_ns") { $0.timeToFirstFlush },
            number("ack_delay_ns") { $0.ackDelay },
        ]
    }

    private static var stages: [Column] {
        Stage.allCases.map { stage in number("timeline_\(stage.name)_ns") { $0.timeline[stage] } }
            + WaitCause.allCases.map { cause in number("cause_\(cause.name)_ns") { $0.causes[cause] } }
    }

    private static var distributions: [Column] {
        delivery("send") { $0.delivery.send } + delivery("queue") { $0.delivery.queue }
            + delivery("qdisc") { $0.delivery.qdisc } + delivery("driver") { $0.delivery.driver }
            + delivery("network") { $0.delivery.network } + delivery("total") { $0.delivery.total }
            + quantiles("gap_sent") { $0.gapSent } + quantiles("gap_acked") { $0.gapAcked }
    }

    private static func delivery(_ name: String, _ values: @escaping (borrowing Response) -> Distribution) -> [Column] {
        [
            number("delivery_\(name)_count") { values($0).count },
            number("delivery_\(name)_mean_ns") { values($0).mean },
        ] + quantiles("delivery_\(name)", values)
    }

    private static func quantiles(_ name: String, _ values: @escaping (borrowing Response) -> Distribution) -> [Column]
    {
        [
            number("\(name)_p50_ns") { values($0).quantile(0.5) },
            number("\(name)_p99_ns") { values($0).p99 },
            number("\(name)_max_ns") { values($0).count > 0 ? values($0).max : nil },
        ]
    }

    private static var socket: [Column] {
        [
            number("socket_queued_bytes_max") { $0.pressure.queuedBytesMax },
            number("socket_unsent_bytes_max") { $0.pressure.unsentBytesMax },
            number("socket_unacked_bytes_max") { $0.pressure.unackedBytesMax },
            number("socket_oldest_unsent_ns_max") { $0.pressure.oldestUnsentMax },
            number("socket_sndbuf_bytes") { $0.pressure.sndbufBytes },
            number("socket_srtt_ns") { $0.pressure.srtt },
            number("socket_retransmits") { $0.pressure.retransmits },
            number("socket_rwnd_limited_ns") { $0.pressure.rwndLimited },
            number("socket_sndbuf_limited_ns") { $0.pressure.sndbufLimited },
            number("in_flight_begin") { Int64($0.inFlight.begin) },
            number("in_flight_end") { Int64($0.inFlight.end) },
            number("in_flight_max") { Int64($0.inFlight.max) },
            inside("adopted") { $0.isAdopted ? "true" : "false" },
            inside("estimated") { $0.isEstimated ? "true" : "false" },
        ]
    }
}

/// One line of cells.
private struct CSVLine {
    private var bytes: [UInt8] = []
    private var needsComma = false

    private mutating func begin() {
        if needsComma { bytes.append(0x2c) }
        needsComma = true
    }

    mutating func number(_ value: Int64?) { inside(value.map { String($0) }) }

    /// Text that this program made.
    mutating func inside(_ text: String?) {
        begin()
        if let text { quoted(text) }
    }

    /// Text that came from outside: harmless on a terminal, and no formula in a spreadsheet.
    mutating func outside(_ text: String?) {
        guard let text else { return begin() }
        let visible = Sanitizer.visible(text)
        inside(CSVLine.isFormula(visible) ? "'" + visible : visible)
    }

    /// Spreadsheets compute cells that begin so, also with the wide forms of East Asia; tabs and line breaks, which do it
    /// too, are no longer there.
    private static func isFormula(_ text: String) -> Bool {
        guard let first = text.unicodeScalars.first else { return false }
        return "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".unicodeScalars.contains(first)
    }

    private mutating func quoted(_ text: String) {
        guard text.utf8.contains(where: { $0 == 0x2c || $0 == 0x22 || $0 == 0x0a || $0 == 0x0d }) else {
            return bytes.append(contentsOf: text.utf8)
        }
        bytes.append(0x22)
        for byte in text.utf8 {
            if byte == 0x22 { bytes.append(0x22) }
            bytes.append(byte)
        }
        bytes.append(0x22)
    }

    consuming func closed() -> [UInt8] {
        bytes.append(contentsOf: [0x0d, 0x0a])
        return bytes
    }
}
