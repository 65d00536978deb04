// SPDX-License-Identifier: MIT
import TailraceModel

/// Where the time of a group of responses went, as a bar of letters and in words.
public struct StagePicture {
    private var count = 0
    private var times = StageTimes()
    private var duration: Int64 = 0
    private var causes = CauseTimes()
    private let width: Int

    /// `width`: of the bar, characters.
    public init(width: Int = 40) { self.width = width }

    /// Adds a response.
    public mutating func add(_ response: Response) {
        count += 1
        duration += response.duration
        for stage in Stage.allCases { times.add(response.timeline[stage] ?? 0, to: stage) }
        for cause in WaitCause.allCases { causes[cause] += response.causes[cause] }
    }

    /// How many responses.
    public var responses: Int { count }
    /// Their mean duration, ns; nil without any.
    public var mean: Int64? { count > 0 ? duration / Int64(count) : nil }

    /// Each stage has as many letters as its share of the time; the largest remainders fill the bar.
    public var bar: String {
        guard duration > 0 else { return "" }
        var cells = Stage.allCases.map { stage in
            (stage: stage, exact: Double(times[stage] ?? 0) / Double(duration) * Double(width))
        }.map { (stage: $0.stage, whole: Int($0.exact), rest: $0.exact - Double(Int($0.exact))) }
        var free = width - cells.reduce(0) { $0 + $1.whole }
        for index in cells.indices.sorted(by: { cells[$0].rest > cells[$1].rest }) where free > 0 {
            cells[index].whole += 1
            free -= 1
        }
        return cells.map { String(repeating: $0.stage.letter, count: $0.whole) }.joined()
    }

    /// `blocked 60 %, queue 39 %`: the stages with at least one percent, largest first.
    public var shares: String {
        Stage.allCases
            .filter { (times[$0] ?? 0) * 100 >= duration && duration > 0 }
            .sorted { (times[$0] ?? 0) > (times[$1] ?? 0) }
            .map { "\($0.rawValue) \(Quantity.share(times[$0] ?? 0, of: duration))" }
            .joined(separator: ", ")
    }

    /// What held the bytes, where they were held for at least one percent of the time; nil else.
    public var cause: String? {
        let held = causes.total
        guard held * 100 >= duration, held > 0, let main = WaitCause.allCases.max(by: { causes[$0] < causes[$1] })
        else {
            return nil
        }
        return "held by \(main.rawValue) (\(Quantity.share(causes[main], of: held)))"
    }

    /// What the letters mean.
    public static var legend: String {
        Stage.allCases.map { "\($0.letter) \($0.rawValue)" }.joined(separator: "  ")
    }
}
