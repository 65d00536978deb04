// SPDX-License-Identifier: MIT
import TailraceModel

/// How long a response's flushes were held, by what TCP waited for.
struct HeldTimes {
    /// For the device, ns.
    private(set) var byDevice: Int64 = 0
    /// Because the congestion window was full, ns.
    private(set) var byCongestion: Int64 = 0

    mutating func add(_ flush: FlushMarks, _ stages: DeliveryStages) {
        let held = flush.blockedTime + (stages.queue ?? 0)
        if flush.isDeviceLimited {
            byDevice = Self.sum(byDevice, held)
        } else if flush.isCongestionLimited {
            byCongestion = Self.sum(byCongestion, held)
        }
    }

    /// Splits `held`, the time in `blocked` and `queue`, by the socket's own clocks, and by what limited the flushes.
    func split(_ held: Int64, rwndLimited: Int64) -> CauseTimes {
        var causes = CauseTimes()
        guard held > 0 else { return causes }
        let byPeer = min(held, rwndLimited)
        let rest = held - byPeer
        causes.peerWindow = byPeer
        if byDevice > byCongestion {
            causes.qdisc = rest
        } else if byCongestion > 0 {
            causes.congestionWindow = rest
        } else {
            causes.other = rest
        }
        return causes
    }

    /// A sum of times that a forged recording cannot make overflow: every time is below 2^61.
    @inline(__always)
    static func sum(_ a: Int64, _ b: Int64) -> Int64 { min(a + b, 1 << 61) }
}
