// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// What tasks connections explain, where both are counted at slightly different moments.
struct TaskSeriesTests {
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    /// Readings, one a second, of as many connections as `connections` says, and as many tasks.
    private func trend(_ count: Int, connections: (Int) -> Int, tasks: (Int) -> Int) -> TaskTrend? {
        var series = TaskSeries()
        for at in 0..<count {
            var sample = ServerSample(server: server, at: Int64(at) * 1_000_000_000)
            sample.inFlight = connections(at)
            sample.tasks = [TaskCount(provider: "go", open: tasks(at))]
            series.add(sample, connections: connections(at))
        }
        return series.trend
    }

    private func leaks(_ trend: TaskTrend?) -> Bool {
        guard let trend else { return false }
        return trend.unexplained >= 10 && trend.slopeRange.lowerBound > 0 && trend.probability < 0.001
    }

    @Test(
        "a ramp of clients with their tasks is no leak, however its steps fall and whichever is counted first",
        arguments: [8, 12, 18, 40, 120])
    func ramps(_ count: Int) {
        for each in [1, 2, 5] {
            for (numerator, denominator) in [(1, 1), (2, 1), (10, 3), (5, 1), (10, 1), (3, 2)] {
                for late in -1...1 {
                    let clients = { (at: Int) in max(0, at) * numerator / denominator }
                    let trend = trend(
                        count, connections: clients, tasks: { 5 + each * clients($0 + late) + ($0 % 2) })
                    #expect(!leaks(trend), "\(each) \(numerator)/\(denominator) \(late): \(String(describing: trend))")
                }
            }
        }
    }

    @Test("a leak beside clients that come and go is one, and beside a ramp that it outgrows")
    func leaks() {
        let swinging = { (at: Int) in 8 + [0, 1, 0, -1, 1, 0, -2][at % 7] }
        for late in -1...1 {
            let found = trend(16, connections: swinging, tasks: { 5 + swinging(max(0, $0 + late)) + 6 * $0 })
            #expect(leaks(found), "\(late): \(String(describing: found))")
        }
        let found = trend(60, connections: { $0 / 5 }, tasks: { 5 + $0 / 5 + 30 * $0 })
        #expect(leaks(found), "\(String(describing: found))")
    }
}
