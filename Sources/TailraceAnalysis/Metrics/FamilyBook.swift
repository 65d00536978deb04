// SPDX-License-Identifier: MIT
import TailraceModel

/// Series on their way into families.
struct FamilyBook {
    private var series: [Metric: [MetricSeries]] = [:]
    private let wall: Int64
    private let begin: Int64

    /// `begin`: since when is counted what has no time of its own. Both ns since 1970.
    init(wall: Int64, begin: Int64) {
        self.wall = wall
        self.begin = begin
    }

    mutating func add(
        _ metric: Metric, _ labels: [MetricLabel] = [], _ point: MetricPoint, since: Int64? = nil
    ) {
        series[metric, default: []].append(MetricSeries(labels, point, since: since ?? begin))
    }

    mutating func add(_ metric: Metric, _ labels: [MetricLabel] = [], count: Int64, since: Int64? = nil) {
        let number = MetricNumber.integer(count)
        add(metric, labels, metric.kind == .counter ? .counter(number) : .gauge(number), since: since)
    }

    mutating func add(_ metric: Metric, _ labels: [MetricLabel] = [], time: Int64, since: Int64? = nil) {
        let number = MetricNumber.nanoseconds(time)
        add(metric, labels, metric.kind == .counter ? .counter(number) : .gauge(number), since: since)
    }

    /// In the order of `Metric.all`.
    var metrics: MetricSet {
        var set = MetricSet(wall: wall)
        set.families = Metric.all.compactMap { metric in series[metric].map { MetricFamily(metric, $0) } }
        return set
    }
}

extension ServerSeries {
    func tell(in book: inout FamilyBook, anchor: ClockAnchor) {
        let (labels, since) = (name.serverLabels, anchor.wall(at: since))
        let add = { (book: inout FamilyBook, metric: Metric, place: Int, label: MetricLabel?) in
            // Most servers lack some: what has never been seen has no series.
            guard histograms.count(of: place) > 0 else { return }
            let point = histograms.point(of: place, anchor: anchor)
            book.add(metric, labels + (label.map { [$0] } ?? []), .histogram(point), since: since)
        }
        add(&book, .responseDuration, Place.duration, MetricLabel(.streaming, "false"))
        add(&book, .responseDuration, Place.streamDuration, MetricLabel(.streaming, "true"))
        add(&book, .firstFlush, Place.firstFlush, MetricLabel(.streaming, "false"))
        add(&book, .firstFlush, Place.streamFirstFlush, MetricLabel(.streaming, "true"))
        for stage in Stage.allCases {
            add(&book, .responseStage, Place.stage + stage.index, MetricLabel(.stage, stage.rawValue))
        }
        add(&book, .flushGap, Place.gapSent, MetricLabel(.mark, "sent"))
        add(&book, .flushGap, Place.gapAcked, MetricLabel(.mark, "acked"))
        add(&book, .flushDelivery, Place.delivery, nil)
        for stage in Stage.delivery {
            add(&book, .flushStage, Place.flushStage + stage.index, MetricLabel(.stage, stage.rawValue))
        }
        tellTotals(in: &book, labels, since)
        tellGauges(in: &book, labels)
    }

    private func tellTotals(in book: inout FamilyBook, _ labels: [MetricLabel], _ since: Int64) {
        for (index, ending) in Ending.allCases.enumerated() {
            for status in 0..<Self.statuses {
                let count = endings[index * Self.statuses + status]
                // Those that most servers have begin with 0: a rate does not see the step from nothing to 1.
                guard count > 0 || ending == .complete && status >= 2 else { continue }
                let told = [
                    MetricLabel(.endedBy, ending.rawValue), MetricLabel(.status, status == 0 ? "none" : "\(status)xx"),
                ]
                book.add(.responses, labels + told, count: count, since: since)
            }
        }
        let reason = { labels + [MetricLabel(.reason, $0)] }
        book.add(.responsesLeftOut, reason("lost_events"), count: totals.lostEvents, since: since)
        book.add(.responsesLeftOut, reason("adopted"), count: totals.adopted, since: since)
        book.add(.responsesEstimated, labels, count: totals.estimated, since: since)
        book.add(.requestBytes, labels, count: totals.requestBytes, since: since)
        book.add(.responseBytes, labels, count: totals.responseBytes, since: since)
        for cause in WaitCause.allCases {
            book.add(
                .responseHeld, labels + [MetricLabel(.cause, cause.rawValue)], time: totals.causes[cause], since: since)
        }
        book.add(.ackDelay, labels, time: totals.ackDelay, since: since)
        book.add(.retransmits, labels, count: totals.retransmits, since: since)
        book.add(.flushes, labels, count: totals.flushes, since: since)
        book.add(.flushBytes, labels, count: totals.flushBytes, since: since)
        book.add(.flushesLeftOut, reason("unacknowledged"), count: totals.flushesUnacknowledged, since: since)
        book.add(.flushesLeftOut, reason("lost_events"), count: totals.flushesAfterLoss, since: since)
    }

    private func tellGauges(in book: inout FamilyBook, _ labels: [MetricLabel]) {
        book.add(.openResponses, labels, count: gauges.open)
        book.add(.oldestOpenResponse, labels, time: gauges.oldestOpen)
        book.add(.connections, labels, count: gauges.connections)
        book.add(.queuedBytes, labels, count: gauges.queuedBytes)
        book.add(.unsentBytes, labels, count: gauges.unsentBytes)
        book.add(.unackedBytes, labels, count: gauges.unackedBytes)
        book.add(.oldestUnsent, labels, time: gauges.oldestUnsent)
        book.add(.blockedWriters, labels, count: gauges.blockedWriters)
    }
}

extension ProgramSeries {
    func tell(in book: inout FamilyBook, anchor: ClockAnchor) {
        let (labels, since) = (name.labels, anchor.wall(at: since))
        book.add(.processes, labels, count: processes)
        book.add(.inFlight, labels, count: inFlight)
        for count in tasks {
            guard let open = count.open else { continue }
            book.add(.openTasks, labels + [MetricLabel(.provider, count.provider)], count: open)
        }
        if let orphaned { book.add(.orphanedTasks, labels, count: orphaned) }
        let kinds = [("some", pressure.some), ("full", pressure.full)]
        for (kind, totals) in kinds {
            book.add(.pressure, labels + [MetricLabel(.kind, kind)], time: totals[0], since: since)
            for cause in WaitCause.allCases {
                book.add(
                    .causePressure, labels + [MetricLabel(.kind, kind), MetricLabel(.cause, cause.rawValue)],
                    time: totals[1 + cause.index], since: since)
            }
        }
        for (index, anomaly) in Anomaly.allCases.enumerated() {
            let named = labels + [MetricLabel(.anomaly, anomaly.rawValue)]
            for (rank, severity) in Severity.allCases.enumerated() {
                book.add(
                    .findingsOpened, named + [MetricLabel(.severity, severity.rawValue)],
                    count: opened[index * Severity.allCases.count + rank], since: since)
            }
            book.add(.openFindings, named, count: open[index])
        }
    }
}
