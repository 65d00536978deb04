// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@Suite("Distributions, against lists of their values")
struct DistributionTests {
    /// Values of any size, some of them again and again.
    private func values(_ random: inout SeededGenerator, count: Int) -> [Int64] {
        let top = Int64.random(in: 1...47, using: &random)
        let again = Int64.random(in: 0..<(1 << top), using: &random)
        return (0..<count).map { _ in
            switch Int.random(in: 0..<4, using: &random) {
            case 0: again
            case 1: Int64.random(in: 0..<(1 << Int64.random(in: 0...top, using: &random)), using: &random)
            case 2: Int64.random(in: (1 << top) / 2..<(1 << top), using: &random)
            default: Int64.random(in: 0..<(1 << top), using: &random)
            }
        }
    }

    /// The value of that rank lies in the bucket that is told.
    private func difference(_ distribution: Distribution, _ values: [Int64]) -> String? {
        if distribution.count != Int64(values.count) { return "count \(distribution.count) of \(values.count)" }
        if distribution.sum != values.reduce(0, +) { return "sum \(distribution.sum)" }
        if distribution.max != values.max() ?? 0 { return "max \(distribution.max)" }
        let sorted = values.sorted()
        for q in [0.01, 0.5, 0.9, 0.99, 1] where !sorted.isEmpty {
            let exact = sorted[max(0, Int((q * Double(sorted.count)).rounded(.up)) - 1)]
            let told = distribution.quantile(q) ?? -1
            let isNear = LogLinear.bucket(of: told) == LogLinear.bucket(of: exact) || told == distribution.max
            if abs(told - exact) * 8 > max(exact, 8) || !isNear { return "q \(q) is \(told), should be near \(exact)" }
        }
        return nil
    }

    @Test("any values in any order", arguments: 0..<300 as Range<UInt64>)
    func adds(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var distribution = Distribution()
        for round in 0..<3 {
            let values = values(&random, count: [0, 1, 2, 10, 400][Int.random(in: 0..<5, using: &random)])
            for value in values { distribution.add(value) }
            let difference = difference(distribution, values)
            #expect(difference == nil, "seed \(seed), round \(round)")
            // The buckets of the round before are no part of the next.
            distribution.reset()
        }
    }

    @Test("values many times at once", arguments: 0..<100 as Range<UInt64>)
    func times(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var (once, one) = (Distribution(), Distribution())
        for value in values(&random, count: 20) {
            let times = Int64.random(in: 1...30, using: &random)
            once.add(value, times: times)
            for _ in 0..<times { one.add(value) }
        }
        #expect(once.count == one.count && once.sum == one.sum && once.max == one.max, "seed \(seed)")
        for q in [0.1, 0.5, 0.99] { #expect(once.quantile(q) == one.quantile(q), "seed \(seed)") }
    }

    @Test("merged in any order and grouping: the same as all values in one", arguments: 0..<300 as Range<UInt64>)
    func merges(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var parts: [(distribution: Distribution, values: [Int64])] = (0..<Int.random(in: 2...6, using: &random)).map {
            _ in
            let values = values(&random, count: [0, 1, 1, 3, 60][Int.random(in: 0..<5, using: &random)])
            return (values.reduce(into: Distribution()) { $0.add($1) }, values)
        }
        var whole = Distribution()
        for value in parts.flatMap(\.values) { whole.add(value) }
        while parts.count > 1 {
            let other = parts.remove(at: Int.random(in: 0..<parts.count, using: &random))
            let index = Int.random(in: 0..<parts.count, using: &random)
            parts[index].distribution.merge(other.distribution)
            parts[index].values += other.values
        }
        let difference = difference(parts[0].distribution, parts[0].values)
        #expect(difference == nil, "seed \(seed)")
        for q in [0, 0.3, 0.5, 0.99, 1] {
            #expect(parts[0].distribution.quantile(q) == whole.quantile(q), "seed \(seed)")
        }
    }

    @Test("a stream of days is not told as one of 73 minutes")
    func days() {
        var durations = Distribution()
        for hour in 1...100 { durations.add(Int64(hour) * 3_600_000_000_000) }
        #expect(durations.quantile(0.5).map { $0 / 3_600_000_000_000 } ?? 0 > 40)
    }

    @Test("numbers that no kernel tells: no trap")
    func extremes() {
        let values: [Int64] = [0, 1, -1, .max, .min, 1 << 61, 1 << 42, -(1 << 61)]
        for first in values {
            for second in values {
                for times in [1, 0, -1, Int64(UInt32.max), .max] {
                    var (one, other) = (Distribution(), Distribution())
                    one.add(first, times: times)
                    one.add(second, times: times)
                    other.add(second)
                    other.merge(one)
                    one.merge(other)
                    for q in [0, 0.5, 1] { _ = (one.quantile(q), other.quantile(q)) }
                    _ = (one.mean, other.mean, one.p90, one.p99)
                    one.reset()
                }
            }
        }
    }
}
