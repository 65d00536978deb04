// SPDX-License-Identifier: MIT
import TailraceModel

/// The slowest responses that ended in the last minutes: of this minute and of the one before.
struct EndedRecord {
    private static let most = 50
    private static let generation: Int64 = 60_000_000_000
    private var newest = Largest<Slow>(capacity: EndedRecord.most)
    private var before: [Slow] = []
    private var begin: Nanoseconds = 0

    private final class Slow: Comparable {
        let response: Response
        init(_ response: borrowing Response) { self.response = copy response }
        static func == (left: Slow, right: Slow) -> Bool { left === right }
        static func < (left: Slow, right: Slow) -> Bool { left.response.duration < right.response.duration }
    }

    mutating func add(_ response: borrowing Response) {
        if response.end - begin >= Self.generation {
            before = response.end - begin < 2 * Self.generation ? newest.sorted : []
            newest = Largest(capacity: Self.most)
            begin = response.end
        }
        if newest.threshold.map({ $0.response.duration < response.duration }) ?? true { newest.add(Slow(response)) }
    }

    func response(_ key: ResponseKey) -> Response? {
        (newest.sorted + before).first {
            $0.response.connection.cookie == key.cookie && $0.response.number == key.number
        }?
        .response
    }

    /// Longest first.
    var rows: [ResponseRow] {
        (newest.sorted + before).sorted(by: >).prefix(Self.most).map { Self.row($0.response) }
    }

    private static func row(_ response: Response) -> ResponseRow {
        var row = ResponseRow(
            number: response.number, on: response.connection, server: response.server, begin: response.begin,
            duration: response.duration)
        row.request = SocketPicture.words(response.method, response.target)
        row.status = response.status
        row.isStreaming = response.isStreaming
        row.endedBy = response.endedBy ?? .unknown
        row.timeline = response.timeline
        row.stage =
            Stage.allCases.max { (response.timeline[$0] ?? 0, $1.index) < (response.timeline[$1] ?? 0, $0.index) }
            ?? .app
        row.wait = response.causes.total
        let worst = WaitCause.allCases.max { response.causes[$0] < response.causes[$1] } ?? .other
        row.holder = row.wait >= 1_000_000 ? Holder(worst) : .nobody
        row.unsentBytes = response.pressure.unsentBytesMax
        row.queuedBytes = response.pressure.queuedBytesMax
        row.gap = response.gapSent.p50
        row.flushes = response.flushes
        row.rtt = response.pressure.srtt
        row.tasks = response.tasks?.max
        return row
    }
}

/// Findings as they stood last: those that are open, and the newest of the others.
struct FindingRecord {
    private static let most = 200
    private var findings: [Finding] = []
    private(set) var opened = 0

    /// `open`: as they stand now; what was told before may have been told long ago.
    mutating func take(_ told: [Finding], open: [Finding]) {
        opened += told.count { $0.state == .opened }
        for finding in told + open {
            if let place = findings.firstIndex(where: { $0.id == finding.id }) {
                findings[place] = finding
            } else {
                findings.append(finding)
            }
        }
        guard findings.count > Self.most else { return }
        let closed = findings.indices.filter { findings[$0].end != nil }.prefix(findings.count - Self.most)
        for place in closed.reversed() { findings.remove(at: place) }
        findings = Array(findings.suffix(2 * Self.most))
    }

    /// Open ones, the most severe first, then closed ones, the newest first.
    var sorted: [Finding] {
        let open = findings.filter { $0.end == nil }
            .sorted { $0.severity != $1.severity ? $0.severity > $1.severity : ($0.begin, $0.id) < ($1.begin, $1.id) }
        return open + findings.filter { $0.end != nil }.sorted { ($1.end ?? 0, $0.id) < ($0.end ?? 0, $1.id) }
    }
}
