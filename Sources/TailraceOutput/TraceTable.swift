// SPDX-License-Identifier: MIT
import TailraceModel

/// `trace` for people: a line for each response, in aligned columns; the first line names them.
public struct TraceTable {
    private struct Column {
        let title: String
        let width: Int
        let isText: Bool
        let value: (Response) -> String

        init(_ title: String, _ width: Int, isText: Bool = false, _ value: @escaping (Response) -> String) {
            self.title = title
            self.width = width
            self.isText = isText
            self.value = value
        }

        func cell(_ text: String) -> String { isText ? text.padded(to: width) : text.rightAligned(to: width) }
    }
    private let columns: [Column]
    private let anchor: ClockAnchor

    /// - Parameters:
    ///   - width: of the terminal, columns; below 130 the server and the smaller stages make room.
    ///   - anchor: for the time of day.
    public init(width: Int, anchor: ClockAnchor) {
        self.anchor = anchor
        let stages: [Stage] = width >= 130 ? Stage.allCases.filter { $0 != .driver } : [.app, .blocked, .queue, .qdisc, .network]
        var columns = [
            Column("TIME", 12) { Timestamp.timeOfDay(anchor.wall(at: $0.end)) },
            Column("PID", 7) { $0.server.map { "\($0.pid)" } ?? "-" },
        ]
        if width >= 130 { columns.append(Column("COMM", 10, isText: true) { Sanitizer.visible($0.server?.comm ?? "-") }) }
        if width >= 150 { columns.append(Column("PEER", 21, isText: true) { $0.connection.remote.description }) }
        columns.append(Column("REQUEST", width >= 130 ? 20 : 16, isText: true, TraceTable.request))
        columns.append(Column("ST", 3) { $0.status.map(String.init) ?? "-" })
        columns.append(Column("BYTES", 7) { Quantity.size($0.responseBytes) })
        if width >= 100 { columns.append(Column("TTFB", 6) { Quantity.duration($0.timeToFirstFlush) }) }
        columns.append(Column("TOTAL", 6) { Quantity.duration($0.duration) })
        for stage in stages { columns.append(Column(stage.rawValue.uppercased(), 7) { Quantity.duration($0.timeline[stage]) }) }
        columns.append(Column("END", 12, isText: true) { $0.endedBy?.rawValue ?? "open" })
        self.columns = columns
    }

    private static func request(_ response: Response) -> String {
        let name = [response.method, response.target].compactMap { $0 }.joined(separator: " ")
        return Sanitizer.visible(name.isEmpty ? response.protocolName?.rawValue ?? "-" : name)
    }

    /// The names of the columns.
    public var header: String { line(columns.map { $0.cell($0.title) }) }

    /// One response.
    public func row(_ response: Response) -> String { line(columns.map { $0.cell($0.value(response)) }) }

    private func line(_ cells: [String]) -> String {
        var text = cells.joined(separator: " ")
        while text.last == " " { text.removeLast() }
        return text + "\n"
    }
}
