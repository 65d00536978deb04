// SPDX-License-Identifier: MIT
import CProbes
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceCapture

@Suite("Time inside the kernel's functions")
struct FunctionTimesTests {
    @Test("the kernel side and this program have the same buckets")
    func buckets() {
        #expect(Int(EV_BUCKETS) == LogLinear.buckets)
        var random = SeededGenerator(state: 7)
        var values: [UInt64] = Array(0...70)
        for shift in 3..<63 { values += [(1 << shift) - 1, 1 << shift, (1 << shift) + 1, (9 << shift) >> 3] }
        for _ in 0..<5000 {
            values.append(UInt64.random(in: 0...(1 << Int.random(in: 0...62, using: &random)), using: &random))
        }
        for value in values where value <= Int64.max {
            #expect(Int(ev_bucket(value)) == LogLinear.bucket(of: Int64(value)), "\(value)")
        }
    }

    @Test("a distribution that was counted elsewhere is the one that adds the values")
    func counted() {
        var random = SeededGenerator(state: 8)
        var added = Distribution()
        var buckets = [UInt64](repeating: 0, count: LogLinear.buckets)
        for _ in 0..<1000 {
            let value = Int64.random(in: 0...(1 << Int.random(in: 0...40, using: &random)), using: &random)
            added.add(value)
            buckets[Int(ev_bucket(UInt64(value)))] += 1
        }
        let counted = Distribution(count: added.count, sum: added.sum, max: added.max, buckets: buckets)
        #expect(counted.mean == added.mean && counted.max == added.max)
        for q in [0.0, 0.1, 0.5, 0.9, 0.99, 1.0] { #expect(counted.quantile(q) == added.quantile(q)) }
    }

    @Test("each function has a key of its own, and there are no others")
    func keys() {
        #expect(Set(TimedFunction.all.map(\.key.rawValue)) == Set(0..<EV_FUNCTIONS.rawValue))
        #expect(TimedFunction.all.count == Int(EV_FUNCTIONS.rawValue))
        let known = KernelFacts.wantedFunctions.map(\.name)
        for function in TimedFunction.all { #expect(known.contains(function.name)) }
    }
}
