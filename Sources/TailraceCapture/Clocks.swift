// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Length of a jiffy, ns: what the coarse clock resolves to.
func jiffyLength() -> Int64 {
    var resolution = timespec()
    clock_getres(CLOCK_MONOTONIC_COARSE, &resolution)
    return Int64(resolution.tv_sec) * 1_000_000_000 + Int64(resolution.tv_nsec)
}

/// Reads one of the system's clocks, ns.
public func readClock(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

extension ClockAnchor {
    /// Reads both clocks; the closest of a few pairs counts, so the error is well below a microsecond.
    public static func now() -> ClockAnchor {
        var best = (width: Int64.max, anchor: ClockAnchor(monotonic: 0, wall: 0))
        for _ in 0..<8 {
            let before = readClock(CLOCK_MONOTONIC)
            let wall = readClock(CLOCK_REALTIME)
            let after = readClock(CLOCK_MONOTONIC)
            if after - before < best.width {
                best = (after - before, ClockAnchor(monotonic: before + (after - before) / 2, wall: wall))
            }
        }
        return best.anchor
    }
}
