// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// A run in a bounded number of moments, and the habits that changed in it.
struct MomentSeriesTests {
    private let second: Int64 = 1_000_000_000
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    /// A look a second; `latency` and `gap` of each, ms.
    private func series(_ seconds: Int, latency: (Int) -> Double?, gap: (Int) -> Double? = { _ in nil }) -> MomentSeries
    {
        var series = MomentSeries()
        var random = SeededGenerator(state: 11)
        for at in 0..<seconds {
            if let latency = latency(at) {
                for _ in 0..<20 {
                    series.add(latency: Int64(latency * 1e6 * Double.random(in: 0.7...1.3, using: &random)))
                }
            }
            if let gap = gap(at) { series.add(gaps: 10, sum: Int64(gap * 1e7)) }
            var sample = ServerSample(server: server, at: Int64(at + 1) * second)
            (sample.inFlight, sample.unsentBytes) = (at % 7, Int64(at))
            series.add(sample, since: Int64(at) * second)
        }
        return series
    }

    @Test(
        "since when latency is another one, how many times it is, and that the gaps are not",
        arguments: [60, 500, 5000])
    func latency(seconds: Int) throws {
        let changes = series(seconds, latency: { $0 < seconds / 2 ? 20 : 62 }, gap: { _ in 50 }).changes
        let change = try #require(changes.first)
        #expect(changes.count == 1 && change.habit == .latency, "\(changes)")
        #expect((2.6...3.6).contains(change.factor) && change.probability < 0.01, "\(change)")
        // To the length of a moment.
        #expect(abs(change.at / second - Int64(seconds / 2)) <= Int64(seconds / 60 + 1), "\(change)")
    }

    @Test("gaps that shrink, and come back")
    func gaps() {
        let changes = series(90, latency: { _ in nil }, gap: { (30..<60).contains($0) ? 10 : 50 }).changes
        #expect(changes.map(\.habit) == [.gap, .gap] && changes.map { $0.at / second } == [30, 60], "\(changes)")
        #expect(changes.map(\.before) == [50_000_000, 10_000_000])
    }

    @Test("noise, small changes, and what comes and goes at once are no change of habit")
    func none() {
        #expect(series(300, latency: { _ in 20 }).changes.isEmpty)
        #expect(series(300, latency: { $0 < 150 ? 20 : 24 }).changes.isEmpty)
        #expect(series(300, latency: { $0 < 150 ? 0.02 : 0.06 }).changes.isEmpty)
        #expect(series(300, latency: { $0 == 150 ? 500 : 20 }).changes.isEmpty)
        #expect(series(3, latency: { Double($0 + 1) * 20 }).changes.isEmpty)
    }

    @Test("a day has as few moments as two minutes, all of it is covered, and the largest values stay")
    func bounded() {
        let day = series(86_400, latency: { $0 % 600 == 0 ? 20 : nil }).moments
        #expect((60...MomentSeries.most).contains(day.count))
        #expect(zip(day, day.dropFirst()).allSatisfy { $0.at + $0.length == $1.at })
        #expect(day.reduce(0) { $0 + $1.length } == 86_400 * second)
        #expect(day.map(\.unsentBytes).max() == 86_399 && day.allSatisfy { $0.inFlight == 6 })
        #expect(day.reduce(0) { $0 + $1.responses } == 20 * 144)
    }
}
