// SPDX-License-Identifier: MIT
import TailraceModel

/// The kernel's averaging of a stall (kernel/sched/psi.c, `calc_avgs` and `update_averages`): every 2 s the share of the
/// period, in whole percent, goes into three exponential averages, in fixed point with 11 bits.
struct StallAveraging {
    /// Between two averages, ns.
    static let period: Int64 = 2_000_000_000
    private static let one: UInt64 = 1 << 11
    /// 1 / exp(2 s / 10 s), and so on.
    private static let decays: [UInt64] = [1677, 1981, 2034]

    private var averages: [UInt64]
    private(set) var total: Int64 = 0
    private var averagedTotal: Int64 = 0
    private var updated: Nanoseconds
    private var next: Nanoseconds

    /// Nothing held before `begin`; `percent`: the averages at that time.
    init(begin: Nanoseconds, percent: [Double] = [0, 0, 0]) {
        updated = begin
        next = begin + Self.period
        averages = percent.map { UInt64(max(0, $0) * Double(Self.one)) }
    }

    /// `held` ns more were held, up to `now`. Called more often than once a period.
    mutating func add(_ held: Int64, now: Nanoseconds) {
        total = total.sum(with: held)
        guard now >= next else { return }
        let missed = now - next >= Self.period ? (now - next) / Self.period : 0
        next += (1 + missed) * Self.period
        let length = max(1, now - (updated + missed * Self.period))
        updated = now
        let sample = min(total - averagedTotal, length)
        averagedTotal += sample
        let percent = UInt64(clamping: sample * 100 / length) * Self.one
        for place in averages.indices {
            let decay = Self.decays[place]
            if missed > 0 {
                averages[place] = Self.load(averages[place], Self.power(decay, UInt64(clamping: missed)), 0)
            }
            averages[place] = Self.load(averages[place], decay, percent)
        }
    }

    /// As /proc/pressure prints it: percent with two decimals, cut.
    var values: StallAverages {
        var values = StallAverages()
        (values.avg10, values.avg60, values.avg300) = (
            Self.percent(averages[0]), Self.percent(averages[1]), Self.percent(averages[2])
        )
        values.total = total
        return values
    }

    private static func percent(_ load: UInt64) -> Double {
        Double((load >> 11) * 100 + ((load & (one - 1)) * 100) >> 11) / 100
    }

    /// `calc_load`.
    private static func load(_ load: UInt64, _ decay: UInt64, _ active: UInt64) -> UInt64 {
        let new = load * decay + active * (one - decay)
        return (active >= load ? new + one - 1 : new) / one
    }

    /// `fixed_power_int`.
    private static func power(_ base: UInt64, _ exponent: UInt64) -> UInt64 {
        var (x, n, result) = (base, exponent, one)
        while n > 0 {
            if n & 1 == 1 { result = (result * x + one / 2) >> 11 }
            n >>= 1
            x = (x * x + one / 2) >> 11
        }
        return result
    }
}
