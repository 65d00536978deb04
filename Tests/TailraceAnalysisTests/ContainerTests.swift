// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite("What the correlator keeps, against plain collections")
struct ContainerTests {
    @Test("a table of sockets is a dictionary", arguments: 0..<60 as Range<UInt64>)
    func sockets(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var (table, model) = (SocketTable(), [UInt64: Int]())
        // Few homes: what is removed stands in the way of others.
        let spread: UInt64 = [1, 1 << 32, 1 << 40][Int.random(in: 0..<3, using: &random)]
        let most = [20, 200, 2000][Int.random(in: 0..<3, using: &random)]
        for step in 0..<3000 {
            let cookie = UInt64.random(in: 1...UInt64(most), using: &random) &* spread
            switch Int.random(in: 0..<3, using: &random) {
            case 0 where model[cookie] == nil:
                table.insert(cookie, place: step)
                model[cookie] = step
            case 1:
                #expect(table.remove(cookie) == model.removeValue(forKey: cookie), "seed \(seed)")
            default:
                #expect(table[cookie] == model[cookie], "seed \(seed)")
            }
        }
        var rest: [UInt64: Int] = [:]
        table.forEach { rest[$0] = $1 }
        #expect(rest == model && table.count == model.count, "seed \(seed)")
        for (cookie, place) in model { #expect(table[cookie] == place, "seed \(seed)") }
        #expect(table[0] == nil)
    }

    @Test("responses in flight: the largest count since any moment", arguments: 0..<200 as Range<UInt64>)
    func inFlight(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var (counts, history) = (InFlight(), [(moment: Int, count: Int)]())
        var count = 0
        for _ in 0..<Int.random(in: 1...300, using: &random) {
            if Int.random(in: 0..<5, using: &random) < 3 {
                count += 1
                history.append((counts.begin(), count))
            } else {
                count = max(0, count - 1)
                counts.end()
            }
            #expect(counts.count == count, "seed \(seed)")
            guard let (moment, _) = history.randomElement(using: &random) else { continue }
            let largest = history.filter { $0.moment >= moment }.map(\.count).max()
            #expect(counts.largest(since: moment) == largest, "seed \(seed)")
        }
    }

    @Test("texts are the same whether they were known or not", arguments: 0..<100 as Range<UInt64>)
    func texts(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var cache = TextCache()
        // Alike where they are looked at: beginning, middle and end.
        let stem = (0..<40).map { _ in UInt8.random(in: 0...255, using: &random) }
        for _ in 0..<300 {
            var bytes = Array(stem.prefix(Int.random(in: 0...40, using: &random)))
            if !bytes.isEmpty, Bool.random(using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0x20...0xff, using: &random)
            }
            let text = bytes.withUnsafeBytes { cache.text($0) }
            #expect(text == String(decoding: bytes, as: UTF8.self), "seed \(seed)")
        }
    }

    @Test(
        "any marks: stages are never negative, and sum to the time from begin to end",
        arguments: 0..<300 as Range<UInt64>)
    func timeline(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        let most: Int64 = [10, 1000, 1 << 61][Int.random(in: 0..<3, using: &random)]
        let time = { (random: inout SeededGenerator) in Int64.random(in: 0...most, using: &random) }
        let (begin, end) = (time(&random), time(&random))
        var (stages, timeline) = (StageTimes(), Timeline(begin: begin, end: end))
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            if Bool.random(using: &random) {
                let stage = Stage.allCases[Int.random(in: 0..<Stage.allCases.count, using: &random)]
                timeline.advance(&stages, to: time(&random), in: stage)
            } else {
                let (send, blocked) = (time(&random) - most / 2, time(&random) - most / 2)
                timeline.advance(&stages, to: time(&random), sending: send, blocked: blocked)
            }
        }
        timeline.finish(&stages, in: .network)
        #expect(stages.total == max(0, end - begin), "seed \(seed)")
        for stage in Stage.allCases { #expect(stages[stage] ?? 0 >= 0, "seed \(seed)") }
    }
}
