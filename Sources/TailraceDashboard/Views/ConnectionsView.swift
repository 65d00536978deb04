// SPDX-License-Identifier: MIT
import TailraceModel

/// The table of sockets.
enum ConnectionsList {
    private static let columns = [
        Column(title: "PEER", width: 15, isRight: false, grows: true, most: 47, whole: 47),
        Column(title: "LIMITED BY", width: 13, isRight: false),
        Column(title: "WAIT", width: 7),
        Column(title: "UNSENT", width: 8),
        Column(title: "UNACKED", width: 8, rank: 4),
        Column(title: "QUEUED", width: 8, rank: 1),
        Column(title: "OF SNDBUF", width: 9, isRight: false, rank: 9),
        Column(title: "WINDOW", width: 8, rank: 8),
        Column(title: "CWND", width: 5, rank: 10),
        Column(title: "RTT", width: 7, rank: 2),
        Column(title: "LEAST", width: 7, rank: 11),
        Column(title: "AGAIN", width: 6, rank: 5),
        Column(title: "DRAINS", width: 10, rank: 3),
        Column(title: "SERVER", width: 12, isRight: false, rank: 7, grows: true, most: 22),
        Column(title: "REQUEST", width: 10, isRight: false, rank: 6, grows: true, most: 60, whole: 30),
    ]
    /// What is worth less than a peer or a request that is whole.
    private static let extra = 8

    /// What can be sorted by in a picture of that width.
    static func orders(width: Int) -> [ConnectionOrder] {
        let layout = TableLayout(columns, width: width - 3)
        return ConnectionOrder.allCases.filter { order in
            columns.firstIndex { $0.title == heading(order) }.map { layout.shows($0) } ?? false
        }
    }

    private static func heading(_ order: ConnectionOrder) -> String { order.rawValue.uppercased() }

    static func draw(_ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area) {
        let rows = state.connections(of: snapshot)
        let (all, filter, order) = (snapshot.totals.connections, state.request.filter, state.request.connectionOrder)
        let count = state.count(rows.count, snapshot.connectionCount, in: snapshot)
        let title = Wording.title("connections", count, of: all, filter)
        let selected = state.selectedPlace(.connections, in: rows.map { .connection($0.connection.cookie) })
        let shown = canvas.shown(rows.count, selected: selected, height: area.height - 3)
        let notes = Wording.notes(shown, of: rows.count, of: count, "sort \(order.rawValue)")
        let inside = canvas.box(area, title: title, note: canvas.note(notes, beside: title, in: area), isFocused: true)
        guard !rows.isEmpty else {
            return canvas.say(Wording.nothing("No connection is followed.", all, filter), in: inside)
        }
        canvas.table(
            columns, in: inside, rows: rows.count, selected: selected,
            sorted: (heading(order), state.request.isConnectionReversed), extra: extra
        ) { cell(rows[$0], $1) }
    }

    private static func cell(_ row: SocketRow, _ column: Int) -> CellContent {
        let sample = row.sample
        switch column {
        case 0: return .peer(row.connection.remote, .bold)
        case 1:
            let word = row.clientFin != nil && row.holder == .nobody ? "client gone" : row.holder.word
            return .text(word.isEmpty ? "-" : word, Wording.holder(row.holder))
        case 2: return .text(row.wait > 0 ? Quantity.duration(row.wait) : "0", Wording.wait(row.wait))
        case 3: return .text(Wording.size(Int64(sample.unsentBytes)), Wording.unsent(Int64(sample.unsentBytes)))
        case 4: return .text(Wording.size(Int64(sample.unackedBytes)), sample.unackedBytes == 0 ? .dim : .plain)
        case 5: return .text(Wording.size(Int64(sample.queuedBytes)), sample.queuedBytes == 0 ? .dim : .plain)
        case 6:
            let share = sample.sndbufBytes > 0 ? Double(sample.queuedBytes) / Double(sample.sndbufBytes) : 0
            return .bar(share, share > 0.9 ? Style(.severity(.critical)) : Style(.series(0)))
        case 7:
            let isFull = sample.peerWindow < 1460
            return .text(Wording.size(Int64(sample.peerWindow)), isFull ? Style(.severity(.warning)) : .plain)
        case 8: return .text(Wording.short(Double(sample.congestionWindow)), .plain)
        case 9:
            let isInflated =
                row.rtt.map { rtt in row.leastRTT.map { rtt > 4 * $0 && rtt > 10_000_000 } ?? false } ?? false
            return .text(Quantity.duration(row.rtt), isInflated ? Style(.severity(.warning)) : .plain)
        case 10: return .text(Quantity.duration(row.leastRTT), .dim)
        case 11:
            return .text(
                Wording.short(Double(sample.retransmits)), sample.retransmits > 0 ? Style(.severity(.warning)) : .dim)
        case 12: return .text(Wording.rate(row.drained), row.drained == nil ? .dim : .plain)
        case 13: return .text("\(row.server.comm)[\(row.server.pid)]", .plain)
        default: return .text(Wording.request(row), row.request.isEmpty ? .dim : .plain)
        }
    }
}
