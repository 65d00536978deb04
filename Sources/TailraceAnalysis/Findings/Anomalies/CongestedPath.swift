// SPDX-License-Identifier: MIT
import TailraceModel

extension AnomalyCheck {
    /// The path to a peer carries no more: loss beyond what congestion control needs to find its rate, or a round trip that
    /// grows. Two windows in a row: one loss is nobody's fault.
    static let congestedPath = AnomalyCheck(opensAfter: 2) { window, limits in
        let congested = window.connections.filter { connection in
            let sample = connection.sample
            guard sample.unsentBytes > 0 || sample.unackedBytes > 0, connection.holder != .peerWindow,
                connection.holder != .qdisc
            else { return false }
            return isLossy(connection, limits) || connection.isPathInflated
        }
        let recent = congested.reduce(0) { $0 + $1.recentRetransmits }
        guard recent >= limits[.pathRetransmits] || congested.contains(where: \.isPathInflated) else {
            return nil
        }
        guard
            let worst = window.most(
                of: congested, by: { Int64(nearest: $0.recentRetransmits * 1e6) << 24 &+ ($0.rtt ?? 0) / 1000 })
        else { return nil }
        let unsent = congested.reduce(0) { $0 + Int64($1.sample.unsentBytes) }
        let retransmits = congested.reduce(0) { $0 + $1.retransmits }
        let isWaiting = (congested.map(\.wait).max() ?? 0) >= limits.whole(.pressureAge)
        return Symptom(
            isWaiting ? .critical : .warning, held: congested.count, connection: worst.look.connection,
            evidence: [
                Evidence("congested_connections", .count(Int64(congested.count))),
                Evidence("connections", .count(Int64(window.connections.count))),
                Evidence("retransmits", .count(retransmits)),
                Evidence("retransmits_per_look", .number(recent)),
                Evidence("unsent_bytes", .bytes(unsent)),
                Evidence("peer", .text(worst.remote.description)),
                Evidence("srtt_ns", .duration(worst.rtt)),
                Evidence("least_srtt_ns", .duration(worst.leastRTT)),
                Evidence("cwnd_segments", .count(Int64(worst.sample.congestionWindow))),
                Evidence("drained_bytes_per_second", .bytesPerSecond(worst.drained.map { Int64(nearest: $0) })),
            ],
            summary: sentence(window, congested, worst, retransmits: recent, unsent: unsent))
    }

    /// Of the segments that arrived meanwhile.
    private static func isLossy(_ connection: ConnectionWindow, _ limits: Thresholds) -> Bool {
        let segments = (connection.drained ?? 0) * min(1, Double(connection.length) / 1e9) / 1448
        return connection.recentRetransmits > 0.25 && connection.recentRetransmits >= limits[.pathLoss] * segments
    }

    private static func sentence(
        _ window: ServerWindow, _ congested: [ConnectionWindow], _ worst: ConnectionWindow, retransmits: Double,
        unsent: Int64
    ) -> String {
        var text = "The path to \(Phrase.count(congested.count, "connection", "connections")) of "
        text += "\(window.connections.count) is congested: \(worst.remote) has a round trip of "
        text += "\(Phrase.duration(worst.rtt ?? 0)) (least \(Phrase.duration(worst.leastRTT ?? 0))) and "
        text += "a congestion window of \(worst.sample.congestionWindow) segments; "
        text += "\(Phrase.digits(retransmits)) segments are sent again between two looks"
        text += unsent > 0 ? ", and \(Phrase.bytes(unsent)) wait unsent." : "."
        return text
    }
}
