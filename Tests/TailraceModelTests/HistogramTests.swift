// SPDX-License-Identifier: MIT
import Histogram
import SeededRandom
import TailraceModel
import Testing

@Suite("Log-linear histograms")
struct HistogramTests {
    @Test("every value lies in its bucket, and buckets follow each other without a gap")
    func bucketsTile() {
        for bucket in 0..<(LogLinear.buckets - 1) {
            let low = LogLinear.lowerEdge(of: bucket)
            let next = LogLinear.lowerEdge(of: bucket + 1)
            #expect(next > low)
            #expect(LogLinear.bucket(of: low) == bucket)
            #expect(LogLinear.bucket(of: next - 1) == bucket)
        }
        #expect(LogLinear.bucket(of: -5) == 0)
        #expect(LogLinear.bucket(of: .max) == LogLinear.buckets - 1)
    }

    @Test("quantiles agree with HdrHistogram to the width of a bucket", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func agreesWithOracle(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
        var ours = Distribution()
        var oracle = Histogram<UInt64>(highestTrackableValue: 1 << 41, numberOfSignificantValueDigits: .three)
        for _ in 0..<20_000 {
            let value = Int64.random(in: 0..<(1 << Int64.random(in: 4...36, using: &generator)), using: &generator)
            ours.add(value)
            oracle.record(UInt64(value))
        }
        #expect(ours.count == Int64(oracle.totalCount))
        for q in [0.5, 0.9, 0.99] {
            let expected = Double(oracle.valueAtPercentile(q * 100))
            let measured = Double(ours.quantile(q) ?? -1)
            #expect(abs(measured - expected) <= expected * 0.07 + 1, "q \(q): \(measured) against \(expected)")
        }
    }

    @Test("merging gives what adding all values gives", arguments: [0, 1, 2, 500])
    func merges(count: Int) {
        var generator = SeededGenerator(state: 7)
        var parts = [Distribution(), Distribution()]
        var whole = Distribution()
        for index in 0..<count {
            let value = Int64.random(in: 0..<1_000_000, using: &generator)
            parts[index % 2].add(value)
            whole.add(value)
        }
        var merged = parts[0]
        merged.merge(parts[1])
        #expect(merged.count == whole.count)
        #expect(merged.sum == whole.sum)
        #expect(merged.max == whole.max)
        for q in [0.1, 0.5, 0.99] { #expect(merged.quantile(q) == whole.quantile(q)) }
    }

    @Test("no p99 below 100 values")
    func p99NeedsValues() {
        var values = Distribution()
        for value in 0..<99 { values.add(Int64(value)) }
        #expect(values.p99 == nil)
        values.add(100)
        #expect(values.p99 != nil)
    }
}
