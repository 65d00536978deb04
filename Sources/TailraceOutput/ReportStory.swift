// SPDX-License-Identifier: MIT
import TailraceModel

/// What a server's numbers say, in sentences: where its slow responses spend their time, and whose time that is.
struct ReportStory {
    private let server: ServerReport

    init(_ server: ServerReport) { self.server = server }

    /// A paragraph for each kind of responses, and one for those that are open.
    var paragraphs: [String] {
        let ended = server.timelines.map(paragraph)
        if server.open.count > 0 { return ended + [openSentence] }
        return ended.isEmpty
            ? ["No response of it began and ended within the run with all its events: its stages say nothing yet."]
            : ended
    }

    private func paragraph(_ timeline: TimelineReport) -> String {
        let slow = timeline.slow
        let isOne = slow.count == 1
        let places = Self.places(of: slow.shares, whose: isOne ? "its" : "their")
        var text = "\(subject(timeline)) \(isOne ? "spent" : "spend") \(places). "
        text += owner(of: slow, timeline.isStreaming)
        // A few very slow ones can hold most of the time and be few among the slowest.
        let all = Stage.allCases.map { timeline.share(of: $0) ?? 0 }
        guard Side(of: all) != Side(of: slow.shares) else { return text }
        text += " Of the time of all \(Quantity.count(timeline.count)), \(Self.places(of: all, whose: "it"))"
        if Side(of: all) == .held, let cause = Self.mainCause(timeline.causes) {
            text += "; the bytes were held by \(cause.name) (\(Quantity.percent(cause.share)))"
        }
        return text + "."
    }

    private func subject(_ timeline: TimelineReport) -> String {
        let slow = timeline.slow
        let kind = timeline.isStreaming ? "streaming " : server.timelines.count > 1 ? "plain " : ""
        let shortest = Quantity.duration(slow.shortest)
        if timeline.count == 1 { return "The only \(kind)response (\(shortest))" }
        if slow.count == 1 { return "The slowest of \(Quantity.count(timeline.count)) \(kind)responses (\(shortest))" }
        let share = (timeline.count + 99) / 100 == slow.count ? "slowest 1 %" : "slowest"
        return "The \(share) of the \(kind)responses (\(Quantity.count(slow.count)) of "
            + "\(Quantity.count(timeline.count)), each \(shortest) or longer)"
    }

    private var openSentence: String {
        let open = server.open
        let times = Stage.allCases.map { Double(open.times[$0] ?? 0) }
        let shares = times.map { $0 / max(1, times.reduce(0, +)) }
        let one = open.count == 1
        var text = "\(Quantity.count(open.count)) \(one ? "response is" : "responses are") still open, "
        text += "\(one ? "for" : "the oldest for") \(Quantity.duration(open.oldest)): so far "
        text += "\(one ? "it has" : "they have") spent \(Self.places(of: shares, whose: one ? "its" : "their"))"
        let held = shares[Stage.blocked.index] + shares[Stage.queue.index]
        if held >= 0.1, let cause = Self.mainCause(open.causes) { text += ", held by \(cause.name)" }
        if open.unsentBytesMax > 0, held >= 0.1 { text += ", with up to \(Quantity.size(open.unsentBytesMax)) unsent" }
        return text + "."
    }

    /// `56 % of their time in queue and 43 % in blocked`: stages with a tenth of the time, three at most.
    static func places(of shares: [Double], whose: String) -> String {
        let main = Stage.allCases.filter { shares[$0.index] >= 0.1 }
            .sorted { (shares[$1.index], $0.index) < (shares[$0.index], $1.index) }.prefix(3)
        guard let first = main.first else { return "no time to speak of in any stage" }
        let time = whose == "it" ? "is" : "of \(whose) time"
        var parts = ["\(Quantity.percent(shares[first.index])) \(time) in \(first.rawValue)"]
        parts += main.dropFirst().map { "\(Quantity.percent(shares[$0.index])) in \($0.rawValue)" }
        let last = parts.removeLast()
        return parts.isEmpty ? last : parts.joined(separator: ", ") + " and " + last
    }

    private func owner(of slow: SlowCohort, _ isStreaming: Bool) -> String {
        switch Side(of: slow.shares) {
        case .held: return holder(of: slow)
        case .device: return Stage.qdisc.owner
        case .network:
            guard let delay = slow.ackDelayShare, delay >= 0.5 else { return Stage.network.owner }
            return
                "That is mostly the client's delayed ACK (ack_delay \(Quantity.percent(delay))): the bytes were there."
        case .server:
            let stage = Side.server.stages.max { slow[$0] < slow[$1] } ?? .app
            return stage == .app && isStreaming ? "The server sets that pace, between its send calls." : stage.owner
        }
    }

    private func holder(of slow: SlowCohort) -> String {
        guard let cause = Self.mainCause(slow.causes) else { return Stage.queue.owner }
        let isOne = slow.worstPeerShare > 0.995
        let peer = slow.worstPeer.map { worst in
            isOne
                ? worst.description
                : "\(worst) (\(Quantity.percent(slow.worstPeerShare)) of that wait) and others"
        }
        let why =
            switch cause.cause {
            case .peerWindow: "\(peer ?? "the client") \(isOne ? "reads" : "read") more slowly than the server writes"
            case .congestionWindow: "the path to \(peer ?? "the client") carries no more"
            case .qdisc: "the device is slower than the server"
            case .other: "a small send buffer, or waits below the kernel's clocks; mostly to \(peer ?? "the client")"
            }
        return "The bytes were held by \(cause.name) (\(Quantity.percent(cause.share))): \(why)."
    }

    /// The cause with most of the time, and its share of it; nil: nothing was held.
    static func mainCause(_ causes: CauseTimes) -> (cause: WaitCause, name: String, share: Double)? {
        let total = causes.total
        guard total > 0, let main = WaitCause.allCases.max(by: { causes[$0] < causes[$1] }) else { return nil }
        return (main, main.rawValue, Double(causes[main]) / Double(total))
    }
}

/// Who owns most of a time.
private enum Side: CaseIterable {
    case server, held, device, network

    var stages: [Stage] {
        switch self {
        case .server: [.accept, .read, .app, .send]
        case .held: [.blocked, .queue]
        case .device: [.qdisc, .driver]
        case .network: [.network]
        }
    }

    /// `shares`: by `Stage.index`.
    init(of shares: [Double]) {
        let sums = Side.allCases.map { side in (side, side.stages.reduce(0) { $0 + shares[$1.index] }) }
        self = sums.max { $0.1 < $1.1 }?.0 ?? .server
    }
}
