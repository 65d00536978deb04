// SPDX-License-Identifier: MIT
import TailraceModel

/// OpenTelemetry's traces as its File Exporter writes them: one `TracesData` a line, in the protocol's JSON encoding
/// (opentelemetry-proto 1.x). A span for each response and each finding that closed.
public final class OTLPTrace: ResponseFormat {
    private let run: RunDescription
    /// Spans that wait for company, by process: what describes the process is said once a line.
    private var waiting: [Int32: (server: Server?, spans: [[UInt8]])] = [:]
    private var held = 0
    /// Spans of one line.
    private static let mostTogether = 100
    /// Spans that wait, of all processes.
    private static let mostWaiting = 10_000

    /// Of one run.
    public init(run: RunDescription) { self.run = run }

    /// Nothing: each line stands for itself.
    public func begin() -> [UInt8] { [] }

    /// A span of kind SERVER.
    public func response(_ response: borrowing Response, anchor: ClockAnchor) -> [UInt8] {
        add(Self.span(response, run, anchor), of: response.server)
    }

    /// Its response tells of it.
    public func flush(_ flush: Flush, anchor: ClockAnchor) -> [UInt8] { [] }

    /// A matter of metrics.
    public func sample(_ sample: ServerSample, anchor: ClockAnchor) -> [UInt8] { [] }

    /// A span of kind INTERNAL, once it is over.
    public func finding(_ finding: Finding, anchor: ClockAnchor) -> [UInt8] {
        guard finding.state == .closed else { return [] }
        return add(Self.span(finding, run, anchor), of: finding.server)
    }

    /// Said on stderr.
    public func loss(_ loss: Loss, at wall: Int64) -> [UInt8] { [] }

    /// What still waits, by process id.
    public func end(_ end: RunEnd) -> [UInt8] { takeAll() }

    /// It has no place for it.
    public var tellsLoss: Bool { false }

    private func add(_ span: [UInt8], of server: Server?) -> [UInt8] {
        let pid = server?.pid ?? 0
        waiting[pid, default: (server, [])].spans.append(span)
        held += 1
        if held >= Self.mostWaiting { return takeAll() }
        guard waiting[pid]?.spans.count == Self.mostTogether else { return [] }
        return take(pid)
    }

    private func takeAll() -> [UInt8] { waiting.keys.sorted().flatMap(take) }

    private func take(_ pid: Int32) -> [UInt8] {
        guard let spans = waiting.removeValue(forKey: pid) else { return [] }
        held -= spans.spans.count
        return Self.traces([spans], run)
    }
}

/// What an endpoint takes: the same spans, of several processes at once.
extension OTLPTrace {
    /// One body of `POST /v1/traces` (`ExportTraceServiceRequest`, which is written as `TracesData` is).
    ///
    /// - Parameters:
    ///   - responses: ended ones.
    ///   - findings: closed ones.
    ///   - run: the host, for resources.
    ///   - anchor: for wall times.
    /// - Returns: nil without a span.
    public static func request(
        _ responses: [Response], _ findings: [Finding] = [], run: RunDescription, anchor: ClockAnchor
    ) -> [UInt8]? {
        guard !responses.isEmpty || !findings.isEmpty else { return nil }
        var groups: [Int32: (server: Server?, spans: [[UInt8]])] = [:]
        for response in responses {
            groups[response.server?.pid ?? 0, default: (response.server, [])].spans.append(span(response, run, anchor))
        }
        for finding in findings {
            groups[finding.server.pid, default: (finding.server, [])].spans.append(span(finding, run, anchor))
        }
        return traces(groups.sorted { $0.key < $1.key }.map(\.value), run)
    }

    private static func span(_ response: borrowing Response, _ run: RunDescription, _ anchor: ClockAnchor) -> [UInt8] {
        let identity = OTLPIdentity(host: run.host, wall: anchor.wall(at: response.begin), id: response.id)
        var span = JSONLine()
        span.span(response, identity, anchor: anchor)
        return span.closed().dropLast()
    }

    private static func span(_ finding: Finding, _ run: RunDescription, _ anchor: ClockAnchor) -> [UInt8] {
        let identity = OTLPIdentity(host: run.host, wall: anchor.wall(at: finding.begin), id: finding.id)
        var span = JSONLine()
        span.span(finding, identity, anchor: anchor)
        return span.closed().dropLast()
    }

    private static func traces(_ groups: [(server: Server?, spans: [[UInt8]])], _ run: RunDescription) -> [UInt8] {
        var line = JSONLine()
        line.array("resourceSpans", groups) { line, group in
            line.object("resource") { $0.resource(group.server, run) }
            line.array("scopeSpans", CollectionOfOne(group.spans)) { line, spans in
                line.scope(run)
                line.array("spans", json: spans)
            }
        }
        return line.closed()
    }
}

/// The ids of a span. The same response of the same host has the same ones in each export, and shares them with no other.
struct OTLPIdentity {
    /// 32 hexadecimal digits, not all 0.
    let trace: String
    /// 16 hexadecimal digits, not all 0.
    let span: String

    /// `wall`: when it began, ns since 1970; `id`: unique within a run.
    init(host: String, wall: Int64, id: String) {
        let words = [host.utf8, "\(wall)".utf8, id.utf8]
        span = Self.digits(words, seed: 0)
        trace = Self.digits(words, seed: 1) + Self.digits(words, seed: 2)
    }

    /// FNV-1a (draft-eastlake-fnv), whose bits are mixed as in MurmurHash3's finalizer.
    private static func digits(_ words: [String.UTF8View], seed: UInt64) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ seed
        for word in words {
            for byte in word { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            hash = (hash ^ 0xff) &* 0x100_0000_01b3
        }
        hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 33) &* 0xc4ce_b9fe_1a85_ec53
        hash = max(1, hash ^ hash >> 33)
        let text = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
