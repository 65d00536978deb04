// SPDX-License-Identifier: MIT
import TailraceModel

/// The lists of a server's part of a report.
extension ServerSections {
    /// Waits by how much was queued, with Little's law beside them.
    var queue: String {
        guard server.queue.contains(where: { $0.drainTime > 0 }) else { return "" }
        var table = TextTable([
            .text("QUEUED"), .number("FLUSHES"), .number("WAITED"), .number("UNSENT"), .number("DRAIN RATE"),
            .number("UNSENT / RATE"),
        ])
        for row in server.queue {
            table.add([
                row.upTo.map { "<= \(Quantity.size($0))" } ?? "more", Quantity.count(row.flushes),
                Quantity.duration(row.meanWait), Quantity.size(row.meanUnsent ?? 0),
                row.drainRate.map { Quantity.size(Int64(nearest: $0)) + "/s" } ?? "-",
                Quantity.duration(row.predictedWait),
            ])
        }
        return "QUEUED BYTES: mean wait in the write queue by sk_wmem_queued at the send call\n"
            + table.text(width: width) + boundary
    }

    private var boundary: String {
        var below = QueueRow(upTo: Self.boundaryBytes)
        var above = QueueRow(upTo: nil)
        for row in server.queue {
            if row.upTo ?? .max > Self.boundaryBytes { above.merge(row) } else { below.merge(row) }
        }
        guard let high = above.meanWait, let unsent = above.meanUnsent else { return "" }
        var text = "Above 128 KiB a flush waits \(Quantity.duration(high)) on average"
        if let low = below.meanWait { text += ", up to there \(Quantity.duration(low))" }
        if let law = above.predictedWait {
            text +=
                ". Little's law: \(Quantity.size(unsent)) unsent at \(Quantity.size(Int64(nearest: above.drainRate ?? 0)))/s "
            text += "are \(Quantity.duration(law))"
        }
        return Paragraph.wrapped(text + ".", width: width, indent: 2)
    }

    private static let boundaryBytes: Int64 = 128 << 10

    /// Two lines each: what it was, and where its time went.
    var slowest: String {
        guard !server.slowest.isEmpty else { return "" }
        var text = Paragraph.wrapped(
            "SLOWEST responses (streams by their time outside app): begin (UTC), request, status, size, duration; where it "
                + "went", width: width)
        for response in server.slowest {
            let begin = Timestamp.timeOfDay(response.begin)
            let status = response.status.map(String.init) ?? "-"
            let end = [
                status.rightAligned(to: 3), Quantity.size(response.responseBytes).rightAligned(to: 8),
                Quantity.duration(response.duration).rightAligned(to: 7),
            ].joined(separator: " ")
            let request = Self.request(response).padded(to: max(12, width - 2 - begin.count - 2 - end.count - 1))
            text += "  \(begin)  \(request) \(end)\n"
            text += Paragraph.wrapped(Self.details(of: response), width: width, indent: 16)
        }
        return text
    }

    private static func request(_ response: ToldResponse) -> String {
        let name = [response.method, response.target].compactMap { $0 }.joined(separator: " ")
        return Sanitizer.visible(name.isEmpty ? response.protocolName?.rawValue ?? "-" : name)
    }

    private static func details(of response: ToldResponse) -> String {
        let shares = Stage.allCases.map {
            Double(response.timeline[$0] ?? 0) / Double(max(1, response.duration))
        }
        let main = Stage.allCases.sorted { (shares[$1.index], $0.index) < (shares[$0.index], $1.index) }.prefix(2)
            .filter { shares[$0.index] >= 0.005 }
        var parts = [main.map { "\($0.rawValue) \(Quantity.percent(shares[$0.index]))" }.joined(separator: ", ")]
        let held = shares[Stage.blocked.index] + shares[Stage.queue.index]
        if held >= 0.05, let cause = ReportStory.mainCause(response.causes) { parts.append(cause.name) }
        if response.state == .open { parts.append("open") }
        if let ending = response.endedBy, ending != .complete { parts.append(ending.rawValue) }
        parts.append(response.remote.description)
        return parts.joined(separator: "; ")
    }

    /// An IPv6 address that is longer has a line of its own.
    private static let longestPeer = 18

    /// Who holds the bytes.
    var peers: String {
        guard !server.peers.isEmpty else { return "" }
        var table = TextTable([
            .text("PEER"), .number("COUNT"), .number("HELD"), .text("BY"), .number("UNSENT"),
            .text("WORST CONNECTION"),
        ])
        for (name, peer) in server.peers.map({ ($0.host?.address ?? "-", $0) })
            + [server.otherPeers].compactMap({ $0 }).map({ ("all others", $0) })
        {
            let cause = ReportStory.mainCause(peer.causes)
            let isLong = name.count > Self.longestPeer
            if isLong { table.add(across: name) }
            table.add([
                isLong ? "" : name, Quantity.count(peer.responses), Quantity.duration(peer.held),
                cause.map { "\($0.name) \(Quantity.percent($0.share))" } ?? "-", Quantity.size(peer.unsentBytesMax),
                peer.worst.map { "port \($0.port), \(Quantity.duration(peer.worstHeld))" } ?? "-",
            ])
        }
        return "PEERS that held bytes longest: time in blocked and queue, most that was unsent\n"
            + table.text(width: width)
    }

    /// What was asked for.
    var targets: String {
        guard !server.targets.isEmpty else { return "" }
        var table = TextTable([
            .text("TARGET", gives: true), .number("COUNT"), .number("P50"), .number("P99"), .number("MAX"),
            .text("MOST TIME IN"), .number(">= 400"),
        ])
        for (name, target) in server.targets.map({ (Sanitizer.visible($0.name ?? "-"), $0) })
            + [server.otherTargets].compactMap({ $0 }).map({ ("all others", $0) })
        {
            let main = Stage.allCases.max { target.times[$0] ?? 0 < target.times[$1] ?? 0 } ?? .app
            let share = Double(target.times[main] ?? 0) / Double(max(1, target.duration.sum))
            table.add([
                name, Quantity.count(target.duration.count), Quantity.duration(target.duration.p50),
                Quantity.duration(target.duration.p99), Quantity.duration(target.duration.max),
                "\(main.rawValue) \(Quantity.percent(share))", Quantity.count(target.errors),
            ])
        }
        return "TARGETS by number of ended responses\n" + table.text(width: width)
    }
}
