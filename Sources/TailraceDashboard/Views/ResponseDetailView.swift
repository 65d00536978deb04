// SPDX-License-Identifier: MIT
import TailraceModel

/// One response: who waits for whom, where its time went, and the way of its newest flushes.
enum ResponseDetailView {
    static func draw(
        _ key: ResponseKey, _ snapshot: Snapshot, _ state: InterfaceState, on canvas: inout Canvas, _ area: Area
    ) {
        let row = (snapshot.open + snapshot.ended).first { $0.key == key }
        let known = snapshot.detail.flatMap { $0.key == key ? $0 : nil }
        let socket = known?.socket ?? snapshot.connections.first { $0.connection.cookie == key.cookie }
        let response = known?.response
        let request = [row?.request, socket?.request].compactMap { $0 }.first { !$0.isEmpty } ?? "response"
        let state = row.map { $0.endedBy.map { "ended, \($0.rawValue)" } ?? "open" } ?? "not open any more"
        var inside = canvas.box(area, title: request, note: key.number > 0 ? state : "idle connection")
        guard row != nil || socket != nil || response != nil else {
            return canvas.say("This response is not known any more. Esc goes back.", in: inside)
        }
        let columns = max(2, inside.width / 38)
        let rows = max(3, min((23 + columns) / columns, inside.height / (response == nil ? 1 : 3)))
        drawFacts(row, socket, on: &canvas, inside.takeTop(rows), at: snapshot)
        if let response {
            drawTimeline(response, on: &canvas, inside.takeTop(2))
            let wanted = Stage.delivery.count + 3
            if inside.height >= wanted + 5 { drawDelivery(response, on: &canvas, inside.takeTop(wanted)) }
        }
        Waterfall.draw(known?.flushes ?? [], on: &canvas, inside, at: snapshot)
    }

    private static func drawFacts(
        _ row: ResponseRow?, _ socket: SocketRow?, on canvas: inout Canvas, _ area: Area, at snapshot: Snapshot
    ) {
        let peer = row?.remote ?? socket?.connection.remote
        let server = row?.serverName ?? socket.map { "\($0.server.comm)[\($0.server.pid)]" }
        var facts = row.map(now) ?? []
        facts += [("peer", peer?.description ?? "-", .bold), ("server", server ?? "-", .plain)]
        if let row {
            facts.append(("begun", Wording.clock(snapshot.facts.anchor.wall(at: row.begin)) + " UTC", .plain))
            facts.append(("flushes", Quantity.count(row.flushes), .plain))
        }
        facts += socket.map(Self.facts) ?? []
        facts += row.map(habit) ?? []
        let columns = max(2, area.width / 38)
        let width = (area.width - 2) / columns
        for (place, fact) in facts.enumerated() where place / columns < area.height {
            let column = area.column + 1 + place % columns * width
            let line = area.row + place / columns
            canvas.put(fact.name, row: line, column: column, width: 14, style: .dim)
            canvas.put(fact.value, row: line, column: column + 15, width: width - 16, style: fact.style)
        }
    }

    private typealias Fact = (name: String, value: String, style: Style)

    private static func now(_ row: ResponseRow) -> [Fact] {
        let isOpen = row.endedBy == nil
        return [
            ("waits", row.wait > 0 ? Quantity.duration(row.wait) : "0", Wording.wait(row.wait)),
            ("held by", row.holder == .nobody ? "nobody" : row.holder.word, Wording.holder(row.holder)),
            (isOpen ? "now in" : "longest in", row.stage.rawValue, Style(.stage(row.stage))),
            ("unsent", Wording.size(row.unsentBytes), Wording.unsent(row.unsentBytes)),
            (isOpen ? "age" : "took", Wording.age(row.duration), .bold),
        ]
    }

    private static func facts(_ socket: SocketRow) -> [Fact] {
        let sample = socket.sample
        let queued = "\(Wording.size(Int64(sample.queuedBytes))) of \(Wording.size(Int64(sample.sndbufBytes)))"
        let worry = Style(.severity(.warning))
        return [
            ("queued", queued, .plain),
            ("unacked", Wording.size(Int64(sample.unackedBytes)), .plain),
            ("peer window", Wording.size(Int64(sample.peerWindow)), sample.peerWindow < 1460 ? worry : .plain),
            ("drains", Wording.rate(socket.drained), .plain),
            ("written", Wording.rate(socket.written), .plain),
            ("rtt", "\(Quantity.duration(socket.rtt)), least \(Quantity.duration(socket.leastRTT))", .plain),
            ("sent again", "\(sample.retransmits)", sample.retransmits > 0 ? worry : .plain),
            ("window-limited", Quantity.percent(socket.peerWindowShare), .plain),
        ]
    }

    private static func habit(_ row: ResponseRow) -> [Fact] {
        let facts: [Fact] = [
            ("silent for", row.silence.map { Wording.age($0) } ?? "-", .plain),
            ("usual gap", Quantity.duration(row.gap), .plain),
            ("server tasks", row.tasks.map { "\($0)" } ?? "-", .plain),
        ]
        return row.isClientGone
            ? facts + [("client", "has gone (FIN)", Style(.severity(.critical), isBold: true))] : facts
    }

    private static func drawTimeline(_ response: Response, on canvas: inout Canvas, _ area: Area) {
        guard area.height > 0 else { return }
        let title = "timeline \(Wording.age(response.duration)) "
        let used = canvas.put(title, row: area.row, column: area.column + 1, style: .dim)
        canvas.stacked(
            Wording.parts(response.timeline), row: area.row, column: area.column + used + 1,
            width: max(0, area.width - used - 2))
        guard area.height > 1 else { return }
        var column = area.column + used + 1
        for stage in Stage.allCases {
            guard let time = response.timeline[stage], time > 0 else { continue }
            let text = "\(stage.rawValue) \(Quantity.duration(time))"
            guard column + text.count < area.endColumn else { return }
            column += canvas.put(text, row: area.row + 1, column: column, style: Style(.stage(stage))) + 2
        }
    }

    private static let columns = [
        Column(title: "DELIVERY OF ITS FLUSHES", width: 23, isRight: false), Column(title: "FLUSHES", width: 8),
        Column(title: "MEAN", width: 8), Column(title: "p50", width: 8), Column(title: "p99", width: 8),
        Column(title: "MAX", width: 8), Column(title: "SHARE", width: 12, isRight: false, rank: 1, grows: true),
    ]

    private static func drawDelivery(_ response: Response, on canvas: inout Canvas, _ area: Area) {
        let delivery = response.delivery
        let rows: [(Stage?, Distribution)] = [
            (.send, delivery.send), (.queue, delivery.queue), (.qdisc, delivery.qdisc), (.driver, delivery.driver),
            (.network, delivery.network), (nil, delivery.total),
        ].filter { $0.1.count > 0 }
        let whole = Double(max(1, delivery.total.sum))
        var area = area
        _ = area.takeTop(1)
        canvas.table(columns, in: area, rows: rows.count) { row, column in
            let (stage, times) = rows[row]
            let style = stage.map { Style(.stage($0)) } ?? .bold
            switch column {
            case 0: return .text(stage?.rawValue ?? "the whole way", style)
            case 1: return .text(Quantity.count(times.count), .plain)
            case 2: return .text(Quantity.duration(times.mean), .plain)
            case 3: return .text(Quantity.duration(times.p50), .plain)
            case 4: return .text(Quantity.duration(times.p99), times.p99 == nil ? .dim : .plain)
            case 5: return .text(Quantity.duration(times.max), .plain)
            default: return stage == nil ? .text("", .dim) : .bar(Double(times.sum) / whole, style)
            }
        }
    }
}

/// The newest flushes of a response, each where it was when.
enum Waterfall {
    static func draw(_ flushes: [Flush], on canvas: inout Canvas, _ area: Area, at snapshot: Snapshot) {
        guard area.height >= 3 else { return }
        var area = area
        _ = area.takeTop(1)
        let rows = Array(flushes.suffix(max(0, area.height - 1)))
        guard let begin = rows.first?.at, let end = rows.map({ $0.at + ($0.total ?? 0) }).max() else {
            return canvas.say("No flush of it was delivered since it is looked at.", in: area)
        }
        let span = Double(max(1, end - begin))
        let columns = [
            Column(title: "SENT", width: 9), Column(title: "BYTES", width: 8), Column(title: "TOOK", width: 7),
            Column(
                title: "ITS WAY, OVER \(Quantity.duration(end - begin))", width: 20, isRight: false, grows: true,
                most: 400),
        ]
        let layout = TableLayout(columns, width: area.width - 1)
        let bar = layout.places.last
        canvas.table(columns, in: area, rows: rows.count) { row, column in
            let flush = rows[row]
            switch column {
            case 0: return .text("+" + Quantity.duration(flush.at - begin), .dim)
            case 1: return .text(Wording.size(flush.bytes), .plain)
            case 2: return .text(Quantity.duration(flush.total), Wording.wait(flush.total ?? 0))
            default: return .text("", .plain)
            }
        }
        guard let bar, bar.index == 3 else { return }
        for (place, flush) in rows.enumerated() {
            let offset = Int(Double(flush.at - begin) / span * Double(bar.width - 1))
            let length = max(1, Int((Double(flush.total ?? 0) / span * Double(bar.width)).rounded()))
            let column = area.column + 1 + bar.column + offset
            canvas.stacked(
                Wording.parts(flush.stages), row: area.row + 1 + place, column: column,
                width: min(length, bar.width - offset))
        }
    }
}
