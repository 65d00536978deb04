// SPDX-License-Identifier: MIT
import FoundationEssentials
import Testing

@testable import TailraceAnalysis

/// scipy is the oracle (and kneed for the knee): Tests/Fixtures/make_statistics.py says how the fixture is made anew.
struct StatisticsTests {
    private struct Fixture: Decodable {
        struct Rank: Decodable {
            let rho: Double
            let p: Double
        }
        struct Rise: Decodable {
            let score: Double
            let tau: Double
            let p: Double
        }
        struct Line: Decodable {
            let slope: Double
            let intercept: Double
            let low: Double
            let high: Double
        }
        struct Change: Decodable {
            let index: Int
            let p: Double
        }
        struct Case: Decodable {
            let name: String
            let x: [Double]
            let y: [Double]
            let spearman: Rank?
            let trend: Rise?
            let line: Line?
            let change: Change?
        }
        struct Knee: Decodable {
            let name: String
            let x: [Double]
            let y: [Double]
            let knee: Int?
        }
        struct Steps: Decodable {
            let name: String
            let series: [Double]
            let changes: [Int]
        }
        let steps: [Steps]
        let cases: [Case]
        let knees: [Knee]
        let student: [[Double]]
        let normal: [[Double]]
    }
    private let fixture: Fixture

    init() throws {
        let path = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined()
        let data = try Data(contentsOf: URL(filePath: path + "/Fixtures/statistics.json"))
        fixture = try JSONDecoder().decode(Fixture.self, from: data)
    }

    private func near(_ ours: Double, _ theirs: Double, _ tolerance: Double = 1e-9) -> Bool {
        abs(ours - theirs) <= tolerance * max(abs(ours), abs(theirs), 1e-300) || abs(ours - theirs) < 1e-15
    }

    @Test("tails of Student's t and of the normal distribution are scipy's, down to 1e-200")
    func tails() {
        #expect(fixture.student.count == 56)
        for row in fixture.student { #expect(near(Tail.student(row[0], freedom: row[1]), row[2], 1e-8), "\(row)") }
        for row in fixture.normal { #expect(near(Tail.normal(row[0]), row[1]), "\(row)") }
    }

    @Test("Spearman's rho and its p are scipy's")
    func spearman() {
        #expect(fixture.cases.count == 43)
        for test in fixture.cases {
            let ours = RankCorrelation(test.x, test.y)
            #expect((ours == nil) == (test.spearman == nil), "\(test.name)")
            guard let ours, let theirs = test.spearman else { continue }
            #expect(near(ours.rho, theirs.rho, 1e-11), "\(test.name): \(ours) \(theirs)")
            #expect(near(ours.probability, theirs.p, 1e-8), "\(test.name): \(ours) \(theirs)")
        }
    }

    @Test("Mann-Kendall's score, tau and p are those made of scipy's")
    func trends() {
        for test in fixture.cases {
            let ours = Trend(test.y)
            #expect((ours == nil) == (test.trend == nil), "\(test.name)")
            guard let ours, let theirs = test.trend else { continue }
            #expect(ours.score == theirs.score, "\(test.name)")
            #expect(near(ours.tau, theirs.tau) && near(ours.probability, theirs.p), "\(test.name): \(ours) \(theirs)")
        }
    }

    @Test("Theil's and Sen's line and its confidence are scipy's")
    func lines() {
        for test in fixture.cases {
            let ours = RobustLine(x: test.x, y: test.y)
            #expect((ours == nil) == (test.line == nil), "\(test.name)")
            guard let ours, let theirs = test.line else { continue }
            #expect(near(ours.slope, theirs.slope) && near(ours.intercept, theirs.intercept), "\(test.name)")
            #expect(
                near(ours.slopeRange.lowerBound, theirs.low) && near(ours.slopeRange.upperBound, theirs.high),
                "\(test.name): \(ours) \(theirs)")
        }
    }

    @Test("the strongest change point is Pettitt's, and the Nile changes in 1899")
    func changePoints() throws {
        for test in fixture.cases {
            let ours = ChangePoint(strongestIn: test.y)
            #expect((ours == nil) == (test.change == nil), "\(test.name)")
            guard let ours, let theirs = test.change else { continue }
            #expect(ours.index == theirs.index && near(ours.probability, theirs.p), "\(test.name): \(ours) \(theirs)")
        }
        let nile = try #require(fixture.cases.first { $0.name == "Nile" })
        #expect(ChangePoint.all(in: nile.y).map { nile.x[$0.index] } == [1899])
        #expect(ChangePoint.all(in: Array(repeating: 3, count: 50)).isEmpty)
    }

    @Test("two changes are found by dividing, and their medians are those of the habit before and behind")
    func severalChanges() {
        let levels = [10, 50, 20]
        let series: [Double] = (0..<90).map { Double(levels[$0 / 30] + $0 % 3) }
        let found = ChangePoint.all(in: series)
        #expect(found.map(\.index) == [30, 60])
        #expect(found.last?.after == 21)
    }

    @Test(
        "where a series changes several times is where ruptures divides it by ranks, give or take one; noise has none")
    func steps() {
        #expect(fixture.steps.count == 6)
        for test in fixture.steps {
            let ours = ChangePoint.all(in: test.series).map(\.index)
            #expect(ours.count == test.changes.count, "\(test.name): \(ours) \(test.changes)")
            #expect(zip(ours, test.changes).allSatisfy { abs($0 - $1) <= 1 }, "\(test.name): \(ours) \(test.changes)")
        }
    }

    @Test("the knee is where Kneedle has it")
    func knees() {
        for test in fixture.knees { #expect(Knee.place(x: test.x, y: test.y) == test.knee, "\(test.name)") }
        let x = (1...24).map(Double.init)
        #expect(Knee.place(x: x, y: x.map { $0.squareRoot() }) == nil)
        #expect(Knee.place(x: x, y: x.map { -$0 }) == nil)
    }

    @Test("a latency curve has its responses in order, and its knee where the latency leaves its base")
    func curve() throws {
        let tasks: [Double] = (0..<400).map { Double($0 % 40 + 1) }
        let latency: [Double] = tasks.map { (count: Double) -> Double in count <= 25 ? 5e6 : 5e6 + (count - 25) * 4e6 }
        let curve = LatencyCurve(tasks: tasks, latency: latency)
        let total: Int = curve.points.reduce(0) { $0 + $1.count }
        #expect(total == 400)
        let ascending: [Double] = curve.points.map { $0.tasks }
        #expect(ascending == ascending.sorted())
        let knee = try #require(curve.knee)
        #expect((23.0...27.0).contains(knee.tasks), "\(knee)")
        #expect(curve.base(upTo: knee) == 5e6)
        #expect(LatencyCurve(tasks: [], latency: []).knee == nil)
        #expect(
            LatencyCurve(tasks: Array(repeating: 3, count: 99), latency: Array(repeating: 1, count: 99)).knee == nil)
    }

    @Test("quantiles of few values, and of none")
    func quantiles() {
        #expect(Ordered.median([]) == nil && Ordered.quantile([], 0.5) == nil)
        #expect(Ordered.median([3]) == 3 && Ordered.median([1, 4]) == 2.5)
        #expect(Ordered.quantile([4, 1, 3, 2], 0) == 1 && Ordered.quantile([4, 1, 3, 2], 1) == 4)
        #expect(Ordered.quantile([0, 10], 0.25) == 2.5)
    }
}
