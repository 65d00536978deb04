// SPDX-License-Identifier: MIT
import SeededRandom
import Testing

@testable import TailraceModel

struct MetricTests {
    @Test("a bucket is the first whose bound is not below the value")
    func buckets() {
        let bounds = MetricBounds.nanoseconds
        #expect(bounds.count + 1 == MetricBounds.buckets)
        #expect(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 })
        var random = SeededGenerator(state: 5)
        var values: [Int64] = [.min, -1, 0, 1, .max]
        for bound in bounds { values += [bound - 1, bound, bound + 1] }
        for bit in 0..<63 { values += [Int64(1) << Int64(bit), (Int64(1) << Int64(bit)) - 1] }
        for _ in 0..<20_000 {
            values.append(Int64.random(in: 0...(Int64(1) << Int64.random(in: 1...62, using: &random)), using: &random))
        }
        for value in values {
            let expected = bounds.firstIndex { value <= $0 } ?? bounds.count
            #expect(MetricBounds.bucket(of: value) == expected, "\(value)")
        }
    }

    @Test("names are what both worlds ask of them")
    func names() {
        let names = Metric.all.map(\.dotted)
        #expect(Set(names).count == names.count && Set(Metric.all.map(\.name)).count == names.count)
        for metric in Metric.all {
            let ours = metric.dotted.hasPrefix("tailrace.") || metric.dotted.hasPrefix("process.")
            #expect(ours && metric.name.allSatisfy { $0.isLowercase || $0 == "_" }, "\(metric.name)")
            #expect(!names.contains { $0.hasPrefix(metric.dotted + ".") }, "\(metric.dotted) is a namespace too")
            #expect(!metric.name.hasSuffix("_total") && !metric.name.contains("chunk"), "\(metric.name)")
            #expect(metric.help.last != "." && !metric.help.contains { $0 == "\n" || $0 == "\\" || $0 == "\"" })
            #expect(metric.kind != .histogram || metric.unit == .seconds)
        }
    }
}
