// SPDX-License-Identifier: MIT
import TailraceModel

/// What is made of the newest seconds: anew for each second, and not for each picture.
struct SecondTables {
    private var second: Int64 = -1
    private(set) var responses = StageTable()
    private(set) var flushes = StageTable()
    private(set) var series = SnapshotSeries()
    private var responseHeat = HeatMap()
    private var flushHeat = HeatMap()
    private var lines: [TaskPicture.Line] = []

    mutating func refresh(
        _ ring: SecondRing, at time: Nanoseconds, tasks: TaskRecord, correlations: [StageCorrelation]
    ) {
        guard time / 1_000_000_000 != second else { return }
        second = time / 1_000_000_000
        let seconds = ring.seconds(SecondRing.length, before: time)
        let newest = Array(seconds.suffix(SecondRing.window))
        responses = StageTable(newest, \.responses, used: Stage.allCases)
        responses.take(correlations)
        flushes = StageTable(newest, \.flushes, used: Stage.delivery)
        series = SnapshotSeries(seconds, responses.count > 0 || flushes.count == 0 ? \.responses : \.flushes)
        flushes.correlate(with: Array(series.open.suffix(SecondRing.window)))
        responseHeat = HeatMap(seconds, \.responses)
        flushHeat = HeatMap(seconds, \.flushes)
        let providers = Set(seconds.flatMap { $0?.gauges?.tasks.keys.map { $0 } ?? [] }).sorted()
        lines = [TaskPicture.Line(provider: "responses", counts: series.open)]
        lines += providers.map { provider in
            TaskPicture.Line(provider: provider, counts: seconds.map { $0?.gauges?.tasks[provider].map(Double.init) })
        }
    }

    func fill(_ snapshot: inout Snapshot) {
        snapshot.responses = responses
        snapshot.flushes = flushes
        snapshot.series = series
        snapshot.responseHeat = responseHeat
        snapshot.flushHeat = flushHeat
        snapshot.tasks.lines = lines
    }
}
