// SPDX-License-Identifier: MIT
import TailraceModel

/// A connection between two looks at it. A class, as the look is: it never changes, and every check goes through all of them.
public final class ConnectionWindow: Sendable {
    /// As it stands at the end.
    public let look: ConnectionLook
    /// Between the looks, ns; 0: this is the first one.
    public let length: Int64
    /// Acknowledged by the peer, bytes a second, averaged over a few looks; nil: not known.
    public let drained: Double?
    /// Handed over by the server, bytes a second, averaged over a few looks; nil: not known.
    public let written: Double?
    /// The same over many looks; nil: not known.
    let taken: TakenBytes?
    /// Share of the time in which the peer's window limited it; nil: this is the first look.
    public let peerWindowShare: Double?
    /// Segments sent again.
    public let retransmits: Int64
    /// The same in a second, averaged over a few looks: a timeout may be longer than the time between two.
    public let recentRetransmits: Double
    /// Smallest smoothed round trip so far, ns; nil: none is known.
    public let leastRTT: Int64?
    /// Time of its flushes with the device layer, ns, and how many flushes those are.
    public let qdisc: (time: Int64, flushes: Int64)
    /// Time that flushes were held while TCP held back for the device, ns.
    public let heldByDevice: Int64
    /// Time that flushes were held while the congestion window was full, ns.
    public let heldByCongestion: Int64
    /// Its round trip has grown far beyond its smallest, and not at the own device.
    public let isPathInflated: Bool
    /// Looks in a row with more queued than `Thresholds` allow for a notice.
    public let looksQueued: Int

    /// From the window before, nil where this is the first.
    init(_ look: ConnectionLook, after last: ConnectionWindow?, limits: Thresholds) {
        self.look = look
        let sample = look.sample
        let before = last?.look
        length = before.map { max(0, sample.at - $0.sample.at) } ?? 0
        (drained, written) = Self.rates(look, last, length)
        var taken = last?.taken
        if taken == nil { taken = TakenBytes(look) } else { taken?.take(look) }
        self.taken = taken
        peerWindowShare = before.flatMap { [length] before in
            length > 0
                ? min(1, Double(max(0, sample.rwndLimited - before.sample.rwndLimited)) / Double(length)) : nil
        }
        retransmits = before.map { Int64(Int32(bitPattern: sample.retransmits &- $0.sample.retransmits)) } ?? 0
        // A second's, where no look came for longer.
        let seconds = max(1, (length + 500_000_000) / 1_000_000_000)
        recentRetransmits = 0.5 * (last?.recentRetransmits ?? 0) + 0.5 * Double(max(0, retransmits)) / Double(seconds)
        let rtt = sample.srttMicroseconds > 0 ? Int64(sample.srttMicroseconds) * 1000 : nil
        let earlierRTT = last?.leastRTT
        leastRTT = if let rtt, let earlierRTT { min(rtt, earlierRTT) } else { rtt ?? earlierRTT }
        looksQueued = Int64(sample.queuedBytes) > limits.whole(.pressureQueued) ? (last?.looksQueued ?? 0) + 1 : 0
        let earlier = before?.response?.number == look.response?.number ? before : nil
        let (now, then) = (DeviceTimes(look), DeviceTimes(earlier))
        qdisc = (now.qdisc - then.qdisc, now.flushes - then.flushes)
        isPathInflated = Self.isInflated(rtt, leastRTT, qdisc, limits)
        heldByDevice = now.heldByDevice - then.heldByDevice
        heldByCongestion = now.heldByCongestion - then.heldByCongestion
    }

    /// Of the response in the making, which is large: nothing else of it is copied.
    private struct DeviceTimes {
        var qdisc: Int64 = 0
        var flushes: Int64 = 0
        var heldByDevice: Int64 = 0
        var heldByCongestion: Int64 = 0

        init(_ look: ConnectionLook?) {
            guard let look, look.response != nil else { return }
            qdisc = look.response?.qdisc.sum ?? 0
            flushes = look.response?.qdisc.count ?? 0
            heldByDevice = look.response?.heldByDevice ?? 0
            heldByCongestion = look.response?.heldByCongestion ?? 0
        }
    }

    /// The socket.
    public var sample: SocketSample { look.sample }
    /// It has a response in the making. Bytes that wait are of one, also where nothing else is known of it: a server that is
    /// stalled already when one begins to look tells nothing more.
    var isOpen: Bool { look.response != nil || sample.unsentBytes > 0 || sample.blocked > 0 }
    /// The response in the making, as far as it is known.
    var key: ResponseKey { ResponseKey(cookie: look.connection.cookie, number: look.response?.number ?? 0) }
    /// The client.
    public var remote: Endpoint { look.connection.remote }
    /// Smoothed round trip, ns; nil: none yet.
    public var rtt: Int64? { sample.srttMicroseconds > 0 ? Int64(sample.srttMicroseconds) * 1000 : nil }
    /// How long its oldest unsent byte, or its writer, has waited, ns.
    public var wait: Int64 { max(sample.unsentBytes > 0 ? sample.oldestUnsent : 0, sample.blocked) }

    /// Its bytes are under way for far longer than the path needs, or lost and sent again. That they fill the peer's window then
    /// is not the peer's doing: who reads slowly has acknowledged what fills it. A small receive buffer drops what it has no
    /// room for, and what is sent again then is no loss of the path: its window is full nearly all the time.
    public var isHeldOnPath: Bool {
        let isLossy = recentRetransmits > 0.25 && peerWindowShare ?? 0 < Self.windowAlone
        return (isPathInflated || isLossy) && 2 * Int64(sample.unackedBytes) > Int64(sample.peerWindow)
    }
    /// Share of the time from which the peer's window is all that limits it.
    static let windowAlone = 0.9

    /// What holds its bytes, by the socket's own clocks, then by what limited its flushes.
    public var holder: WaitCause {
        if isHeldOnPath { return .congestionWindow }
        if let peerWindowShare, peerWindowShare >= 0.5 { return .peerWindow }
        // The first look has nothing to compare with: a window that is full now is as good.
        if peerWindowShare == nil, Int64(sample.unackedBytes) + 1460 > Int64(sample.peerWindow) { return .peerWindow }
        // What is lost keeps the device idle, whatever TCP kept back for it before.
        if recentRetransmits > 0.25 { return .congestionWindow }
        if heldByDevice > heldByCongestion { return .qdisc }
        let isWindowFull = Int64(sample.unackedBytes) + 1460 > Int64(sample.congestionWindow) * 1400
        return heldByCongestion > 0 || isWindowFull ? .congestionWindow : .other
    }
}

extension ConnectionWindow {
    /// What waits at the own device makes the round trip longer too, and is not the path's.
    private static func isInflated(
        _ rtt: Int64?, _ least: Int64?, _ qdisc: (time: Int64, flushes: Int64), _ limits: Thresholds
    ) -> Bool {
        guard let rtt, let least, rtt >= limits.whole(.pathRTT),
            Double(rtt) >= limits[.pathInflation] * Double(least)
        else { return false }
        let atDevice = qdisc.flushes > 0 ? qdisc.time / qdisc.flushes : 0
        return 2 * atDevice < rtt - least
    }

    /// A flush is told when it is acknowledged, so what is handed over is that and what the socket still holds.
    private static func rates(
        _ look: ConnectionLook, _ last: ConnectionWindow?, _ length: Int64
    ) -> (drained: Double?, written: Double?) {
        guard length > 0, let last, let now = look.acknowledged, let then = last.look.acknowledged else {
            return (last?.drained, last?.written)
        }
        let drained = Double(TakenBytes.bytes(from: then, to: now))
        let held = { (sample: SocketSample) in Double(sample.unsentBytes) + Double(sample.unackedBytes) }
        let written = max(0, drained + held(look.sample) - held(last.look.sample))
        let smooth = { (new: Double, old: Double?) in
            let rate = new / Double(length) * 1e9
            return old.map { 0.5 * $0 + 0.5 * rate } ?? rate
        }
        return (smooth(drained, last.drained), smooth(written, last.written))
    }
}
