// SPDX-License-Identifier: MIT
import TailraceModel

/// One response: who waits for whom, where its time went, and the way of its newest flushes.
enum ResponseDetailView {
    static func draw(
        _ key: ResponseKey, _ snapshot: Snapshot, newest: Snapshot, on canvas: inout Canvas, _ area: Area
    ) {
        let known = KnownResponse(key, snapshot, newest: newest)
        let request = known.row.map { Wording.request($0) } ?? known.socket.map { Wording.request($0) }
        var inside = canvas.box(area, title: request ?? "response", note: known.note)
        guard !known.isUnknown else {
            return canvas.say("This response is not known any more. Esc goes back.", in: inside)
        }
        let columns = max(2, inside.width / 38)
        let facts = facts(known, at: snapshot)
        let factRows = max(
            3, min((facts.count + columns - 1) / columns, inside.height / (known.response == nil ? 2 : 3)))
        draw(facts, columns, on: &canvas, inside.takeTop(factRows))
        if let response = known.response { drawTimeline(response, on: &canvas, inside.takeTop(2)) }
        if let sentence = known.lacksTimeline {
            let line = inside.takeTop(1)
            canvas.put(sentence, row: line.row, column: line.column + 1, width: line.width - 2, style: .dim)
        }
        drawHeld(known, on: &canvas, &inside)
        if let response = known.response {
            let wanted = rows(of: response.delivery).count + 2
            if inside.height >= wanted + 5 { drawDelivery(response, on: &canvas, inside.takeTop(wanted)) }
        }
        Waterfall.draw(known, on: &canvas, inside, at: snapshot.at)
    }

    private static func facts(_ known: KnownResponse, at snapshot: Snapshot) -> [Fact] {
        let (row, socket) = (known.row, known.socket)
        let peer = row?.remote ?? socket?.connection.remote
        let server = row?.serverName ?? socket.map { "\($0.server.comm)[\($0.server.pid)]" }
        var facts = row.map(now) ?? socket.map(now) ?? []
        facts += [("peer", peer?.description ?? "-", .bold), ("server", server ?? "-", .plain)]
        if let row {
            let begun = row.begin.map { Wording.clock(snapshot.facts.anchor.wall(at: $0)) + " UTC" }
            facts.append(("begun", begun ?? "before tailrace", .plain))
            facts.append(("delivered", delivered(row, known.response), .plain))
        }
        facts += socket.map(Self.facts) ?? []
        return facts + (row.map(habit) ?? [])
    }

    /// Acknowledged send calls, of all of them where that is known.
    private static func delivered(_ row: ResponseRow, _ response: Response?) -> String {
        guard let response, response.delivery.send.count > 0 else {
            return row.flushes.map { Wording.flushes($0) } ?? "-"
        }
        let (done, all) = (response.delivery.total.count, response.delivery.send.count)
        return done < all ? "\(Quantity.count(done)) of \(Wording.flushes(all))" : Wording.flushes(all)
    }

    private static func draw(_ facts: [Fact], _ columns: Int, on canvas: inout Canvas, _ area: Area) {
        let width = (area.width - 2) / columns
        let label = width < 36 ? 11 : 15
        for (place, fact) in facts.enumerated() where place / columns < area.height {
            let column = area.column + 1 + place % columns * width
            let line = area.row + place / columns
            canvas.put(fact.name, row: line, column: column, width: label - 1, style: .dim)
            let value = fact.name == "peer" ? canvas.shortened(fact.value, to: width - label - 1) : fact.value
            canvas.put(value, row: line, column: column + label, width: width - label - 1, style: fact.style)
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
            (isOpen ? "age" : "took", row.duration.map { Wording.age($0) } ?? "not known", .bold),
        ]
    }

    private static func now(_ socket: SocketRow) -> [Fact] {
        let unsent = Int64(socket.sample.unsentBytes)
        return [
            ("waits", socket.wait > 0 ? Quantity.duration(socket.wait) : "0", Wording.wait(socket.wait)),
            ("held by", socket.holder == .nobody ? "nobody" : socket.holder.word, Wording.holder(socket.holder)),
            ("unsent", Wording.size(unsent), Wording.unsent(unsent)),
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
        canvas.put("timeline \(Wording.age(response.duration))", row: area.row, column: area.column + 1, style: .dim)
        let used = titleWidth
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

    /// Cells in front of bars that share a scale.
    private static let titleWidth = 16

    /// Who held its bytes, on the scale of the timeline above: a server may write on while its client does not read.
    private static func drawHeld(_ known: KnownResponse, on canvas: inout Canvas, _ inside: inout Area) {
        let held = known.held
        let total = held.reduce(Int64(0)) { $0.sum(with: $1.time) }
        guard total > 0, inside.height > 0 else { return }
        let line = inside.takeTop(1)
        let used = titleWidth
        let column = line.column + used + 1
        let whole = known.response?.duration ?? known.row?.duration ?? total
        // Two clocks tell of it: never longer than it lasts.
        let shown = "held     \(Wording.age(min(total, whole)))"
        canvas.put(shown, row: line.row, column: line.column + 1, style: .dim)
        let room = max(1, line.width - used - 2)
        let width = max(1, Int(min(1, Double(total) / Double(max(1, whole))) * Double(room)))
        let words = held.map { "\($0.holder.word) \(Quantity.duration($0.time))" }
        let parts = zip(held, words).map { held, word in
            BarPart(
                share: Double(held.time) / Double(total), style: Style(Wording.holderInk(held.holder)), label: word,
                letter: held.holder.word.first)
        }
        canvas.stacked(parts, row: line.row, column: column, width: width)
        // Too little for words inside.
        guard width <= canvas.width(of: words[0]), column + width + 1 < line.endColumn else { return }
        canvas.put(
            words.joined(separator: ", "), row: line.row, column: column + width + 1,
            width: line.endColumn - column - width - 2)
    }

    private static let columns = [
        Column(title: "DELIVERY OF ITS FLUSHES", width: 23, isRight: false), Column(title: "FLUSHES", width: 8),
        Column(title: "MEAN", width: 8), Column(title: "p50", width: 8), Column(title: "p99", width: 8),
        Column(title: "MAX", width: 8), Column(title: "OF THE MEAN", width: 12, isRight: false, rank: 1, grows: true),
    ]

    private static func rows(of delivery: DeliveryDistributions) -> [(Stage?, Distribution)] {
        let all: [(Stage?, Distribution)] = [
            (.send, delivery.send), (.queue, delivery.queue), (.qdisc, delivery.qdisc), (.driver, delivery.driver),
            (.network, delivery.network), (nil, delivery.total),
        ]
        return all.filter { $0.1.count > 0 }
    }

    private static func drawDelivery(_ response: Response, on canvas: inout Canvas, _ area: Area) {
        let rows = rows(of: response.delivery)
        // Of the means: more was sent than is acknowledged yet, and sums of different counts say nothing.
        let stages: [Distribution] = rows.filter { $0.0 != nil }.map(\.1)
        let whole = Double(max(1, stages.reduce(Int64(0)) { $0.sum(with: $1.mean ?? 0) }))
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
            default: return stage == nil ? .text("", .dim) : .bar(Double(times.mean ?? 0) / whole, style)
            }
        }
    }
}
