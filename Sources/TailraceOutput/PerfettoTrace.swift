// SPDX-License-Identifier: MIT
import TailraceModel

/// The Trace Event Format, which ui.perfetto.dev and chrome://tracing open: a process for each server, a thread for each
/// connection, a slice for each response with its stages in it, findings, and counters of what the sockets hold.
///
/// `app`, `send` and `blocked` alternate; each is drawn once, as long as it was in all. Times are those of CLOCK_MONOTONIC,
/// so that no digit is lost; `otherData` says when that was.
public final class PerfettoTrace: ResponseFormat {
    private let run: RunDescription
    private var named: Set<Int32> = []
    /// Processes that are named; those beyond have a number only.
    private static let mostNamed = 4096

    /// Of one run.
    public init(run: RunDescription) { self.run = run }

    /// The document's beginning, up to the first event.
    public func begin() -> [UInt8] {
        var line = JSONLine()
        line.field("displayTimeUnit", string: "ns")
        line.object("otherData") {
            $0.run(run)
            $0.field("monotonic_ns", run.anchor.monotonic)
            $0.field("wall", wall: run.anchor.wall)
        }
        var head = line.opened()
        head += Array(",\"traceEvents\":[\n".utf8)
        // Every other event begins with a comma.
        return head
            + Self.event {
                $0.field("ph", string: "M"); $0.field("name", string: "tailrace"); $0.field("pid", 0)
            }
    }

    /// A slice, and in it one for each stage that took time.
    public func response(_ response: borrowing Response, anchor: ClockAnchor) -> [UInt8] {
        let track = Track(response.server, cookie: response.connection.cookie)
        var bytes = name(response.server)
        if response.number == 1 { bytes += thread(track, response.connection.remote.description) }
        let title = [response.method, response.target].compactMap { $0 }.joined(separator: " ")
        let protocolName = response.protocolName?.rawValue ?? "response"
        let arguments = { [response = copy response] (line: inout JSONLine) in
            line.object("args") {
                $0.field("id", string: response.id)
                $0.field("state", string: response.state.rawValue)
                $0.field("status", response.status)
                $0.field("ended_by", string: response.endedBy?.rawValue)
                $0.field("response_bytes", response.responseBytes)
                $0.field("flushes", response.flushes)
                $0.field("unsent_bytes_max", response.pressure.unsentBytesMax)
                $0.field("estimated", response.isEstimated)
            }
        }
        bytes += slice(
            title.isEmpty ? protocolName : title, track, from: response.begin, length: response.duration, arguments)
        var at = response.begin
        for stage in Stage.allCases {
            guard let length = response.timeline[stage], length > 0 else { continue }
            bytes += slice(stage.rawValue, track, from: at, length: length)
            at += length
        }
        return bytes
    }

    /// A slice of its own thread.
    public func flush(_ flush: Flush, anchor: ClockAnchor) -> [UInt8] {
        guard let total = flush.total else { return [] }
        let track = Track(flush.server, cookie: flush.connection | 1 << 30)
        return slice("flush", track, from: flush.at, length: total) { line in
            line.object("args") {
                $0.field("response", string: flush.response)
                $0.field("bytes", flush.bytes)
                $0.field("queued_bytes", flush.queuedBytes)
            }
        }
    }

    /// Counters of one server.
    public func sample(_ sample: ServerSample, anchor: ClockAnchor) -> [UInt8] {
        var bytes = name(sample.server)
        let counters: [(String, Int64)] = [
            ("in flight", Int64(sample.inFlight)), ("connections", Int64(sample.connections)),
            ("unsent bytes", sample.unsentBytes), ("queued bytes", sample.queuedBytes),
            ("blocked writers", Int64(sample.blockedWriters)),
        ]
        for (name, value) in counters {
            bytes += [0x2c, 0x0a]
            bytes += Self.event {
                $0.field("ph", string: "C")
                $0.field("name", string: name)
                $0.field("pid", Int64(sample.server.pid))
                $0.field("ts", microseconds: sample.at)
                $0.object("args") { $0.field("value", value) }
            }
        }
        return bytes
    }

    /// A mark where it opened, and a slice once it is over.
    public func finding(_ finding: Finding, anchor: ClockAnchor) -> [UInt8] {
        let track = Track(pid: finding.server.pid, thread: 0)
        let arguments = { (line: inout JSONLine) in
            line.object("args") {
                $0.field("severity", string: finding.severity.rawValue)
                $0.field("summary", sentences: finding.summary)
            }
        }
        var bytes = name(finding.server)
        switch finding.state {
        case .opened:
            bytes += thread(track, "findings") + [0x2c, 0x0a]
            bytes += Self.event {
                $0.field("ph", string: "i")
                $0.field("s", string: "p")
                $0.field("name", string: finding.anomaly.rawValue)
                $0.place(track, at: finding.at)
                arguments(&$0)
            }
        case .updated: break
        case .closed:
            // Findings overlap, and slices of one thread must not.
            let place = Anomaly.allCases.firstIndex(of: finding.anomaly) ?? 0
            let own = Track(pid: finding.server.pid, thread: Int64(place) + 1)
            let length = max(0, (finding.end ?? finding.at) - finding.begin)
            bytes += thread(own, finding.anomaly.rawValue)
            bytes += slice(finding.anomaly.rawValue, own, from: finding.begin, length: length, arguments)
        }
        return bytes
    }

    /// Said on stderr.
    public func loss(_ loss: Loss, at wall: Int64) -> [UInt8] { [] }
    /// The document's end.
    public func end(_ end: RunEnd) -> [UInt8] { Array("\n]}\n".utf8) }
    /// It has no place for it.
    public var tellsLoss: Bool { false }

    // MARK: Events

    /// Where an event is drawn.
    fileprivate struct Track {
        let pid: Int64
        let thread: Int64

        init(pid: Int32, thread: Int64) { (self.pid, self.thread) = (Int64(pid), thread) }

        /// The first few threads are for findings.
        init(_ server: Server?, cookie: UInt64) {
            self.init(pid: server?.pid ?? 0, thread: Int64(cookie & 0x7fff_ffff) + 64)
        }
    }

    private func name(_ server: Server?) -> [UInt8] {
        guard let server, named.count < Self.mostNamed, named.insert(server.pid).inserted else { return [] }
        return [0x2c, 0x0a]
            + Self.event {
                $0.field("ph", string: "M")
                $0.field("name", string: "process_name")
                $0.field("pid", Int64(server.pid))
                $0.object("args") { $0.field("name", string: server.comm) }
            }
    }

    private func thread(_ track: Track, _ name: String) -> [UInt8] {
        [0x2c, 0x0a]
            + Self.event {
                $0.field("ph", string: "M")
                $0.field("name", string: "thread_name")
                $0.field("pid", track.pid)
                $0.field("tid", track.thread)
                $0.object("args") { $0.field("name", string: name) }
            }
    }

    private func slice(
        _ name: String, _ track: Track, from begin: Nanoseconds, length: Int64,
        _ arguments: (inout JSONLine) -> Void = { _ in }
    ) -> [UInt8] {
        [0x2c, 0x0a]
            + Self.event {
                $0.field("ph", string: "X")
                $0.field("name", string: name)
                $0.place(track, at: begin)
                $0.field("dur", microseconds: length)
                arguments(&$0)
            }
    }

    private static func event(_ fields: (inout JSONLine) -> Void) -> [UInt8] {
        var line = JSONLine()
        fields(&line)
        return line.closed().dropLast()
    }
}

extension JSONLine {
    fileprivate mutating func place(_ track: PerfettoTrace.Track, at time: Nanoseconds) {
        field("pid", track.pid)
        field("tid", track.thread)
        field("ts", microseconds: time)
    }
}
