// SPDX-License-Identifier: MIT
import TailraceModel

/// `trace` for people: a line for each response, in aligned columns; the first line names them.
public struct TraceTable: ResponseFormat {
    private struct Column {
        let title: String
        var width: Int
        let isText: Bool
        /// The least important leave first where the terminal is narrow; 0 never leaves.
        let rank: Int
        let value: (Response) -> String

        init(
            _ title: String, _ width: Int, rank: Int = 0, isText: Bool = false, _ value: @escaping (Response) -> String
        ) {
            self.title = title
            self.width = width
            self.rank = rank
            self.isText = isText
            self.value = value
        }

        func cell(_ text: String) -> String { isText ? text.padded(to: width) : text.rightAligned(to: width) }
    }
    private var columns: [Column]

    /// - Parameters:
    ///   - width: of the terminal, columns.
    ///   - anchor: for the time of day.
    public init(width: Int, anchor: ClockAnchor) {
        let isNarrow = width < 100
        let stage = { (stage: Stage, title: String, rank: Int) in
            Column(title, 6, rank: rank) { Quantity.duration($0.timeline[stage]) }
        }
        columns = [
            Column("TIME", isNarrow ? 8 : 12, isText: true) {
                String(Timestamp.timeOfDay(anchor.wall(at: $0.end)).prefix(isNarrow ? 8 : 12))
            },
            Column("PID", 7, rank: 2) { $0.server.map { "\($0.pid)" } ?? "-" },
            Column("COMM", 10, rank: 8, isText: true) { Sanitizer.visible($0.server?.comm ?? "-") },
            Column("PEER", 21, rank: 9, isText: true) { $0.connection.remote.description },
            Column("REQUEST", 10, isText: true, TraceTable.request),
            Column("ST", 3) { $0.status.map(String.init) ?? "-" },
            Column("BYTES", 7) { Quantity.size($0.responseBytes) },
            Column("TTFB", 6, rank: 1) { Quantity.duration($0.timeToFirstFlush) },
            Column("TOTAL", 6) { Quantity.duration($0.duration) },
            Column("WHERE", 13, isText: true, TraceTable.longestStage),
            stage(.accept, "ACCEPT", 7), stage(.read, "READ", 6), stage(.app, "APP", 3), stage(.send, "SEND", 5),
            stage(.blocked, "BLOCK", 3), stage(.queue, "QUEUE", 3), stage(.qdisc, "QDISC", 4),
            stage(.network, "NET", 4),
            Column("END", 12, isText: true) { $0.endedBy?.rawValue ?? "open" },
        ]
        fit(to: width)
    }

    /// Drops columns until the rest fits; what is free then goes to the request, which is the longest to say.
    private mutating func fit(to width: Int) {
        let needed = { (columns: [Column]) in columns.reduce(-1) { $0 + $1.width + 1 } }
        while needed(columns) > width, let rank = columns.map(\.rank).max(), rank > 0 {
            columns.removeAll { $0.rank == rank }
        }
        guard let request = columns.firstIndex(where: { $0.title == "REQUEST" }) else { return }
        columns[request].width += min(30, max(0, width - needed(columns)))
    }

    /// The stage with most of the time, and its share: `blocked 60 %`.
    private static func longestStage(_ response: Response) -> String {
        let longest = Stage.allCases.max { response.timeline[$0] ?? 0 < response.timeline[$1] ?? 0 } ?? .app
        return "\(longest.rawValue) \(Quantity.share(response.timeline[longest] ?? 0, of: response.duration))"
    }

    private static func request(_ response: Response) -> String {
        let name = [response.method, response.target].compactMap { $0 }.joined(separator: " ")
        return Sanitizer.visible(name.isEmpty ? response.protocolName?.rawValue ?? "-" : name)
    }

    /// The names of the columns.
    public func begin() -> [UInt8] { line(columns.map { $0.cell($0.title) }) }

    /// One response.
    public func response(_ response: borrowing Response, anchor: ClockAnchor) -> [UInt8] {
        var cells: [String] = []
        for column in columns { cells.append(column.cell(column.value(response))) }
        return line(cells)
    }

    /// A line across all columns.
    public func finding(_ finding: Finding, anchor: ClockAnchor) -> [UInt8] {
        Array(FindingLine(finding: finding).line(anchor: anchor).utf8)
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

    private func line(_ cells: [String]) -> [UInt8] {
        var text = cells.joined(separator: " ")
        while text.last == " " { text.removeLast() }
        return Array((text + "\n").utf8)
    }
}
