// SPDX-License-Identifier: MIT
import TailraceModel

/// What is counted of one server: comm, cgroup and port.
struct ServerSeries: NamedTally {
    let name: ServerName
    let since: Nanoseconds
    var seen: Nanoseconds = 0
    var isAlive = false
    private(set) var responses: Int64 = 0
    let histograms = DurationHistograms(count: Place.count)
    /// By ending and class of status.
    private(set) var endings = ContiguousArray<Int64>(
        repeating: 0, count: Ending.allCases.count * ServerSeries.statuses)
    private(set) var totals = Totals()
    private(set) var gauges = Gauges()

    /// None, and 1xx...5xx.
    static let statuses = 6

    struct Totals {
        var lostEvents: Int64 = 0
        var adopted: Int64 = 0
        var estimated: Int64 = 0
        var requestBytes: Int64 = 0
        var responseBytes: Int64 = 0
        var causes = CauseTimes()
        var ackDelay: Int64 = 0
        var retransmits: Int64 = 0
        var flushes: Int64 = 0
        var flushBytes: Int64 = 0
        var flushesUnacknowledged: Int64 = 0
        var flushesAfterLoss: Int64 = 0
    }

    struct Gauges {
        var open: Int64 = 0
        var oldestOpen: Int64 = 0
        var connections: Int64 = 0
        var queuedBytes: Int64 = 0
        var unsentBytes: Int64 = 0
        var unackedBytes: Int64 = 0
        var oldestUnsent: Int64 = 0
        var blockedWriters: Int64 = 0
    }

    /// Where a histogram lies.
    enum Place {
        static let duration = 0
        static let streamDuration = 1
        static let stage = 2
        static let firstFlush = stage + 9
        static let streamFirstFlush = firstFlush + 1
        static let gapSent = streamFirstFlush + 1
        static let gapAcked = gapSent + 1
        static let delivery = gapAcked + 1
        /// By the index of the stage; those that are none of delivery stay empty.
        static let flushStage = delivery + 1
        static let count = flushStage + 9
    }

    init(_ name: ServerName, since: Nanoseconds) {
        self.name = name
        self.since = since
    }

    mutating func forgetGauges() { gauges = Gauges() }

    /// One that ended. Called for each, so it allocates and copies nothing.
    mutating func add(_ response: UnsafePointer<Response>) {
        isAlive = true
        responses &+= 1
        let hundreds = (response.pointee.status ?? 0) / 100
        let status = hundreds >= 1 && hundreds <= 5 ? hundreds : 0
        endings[(response.pointee.endedBy ?? .unknown).index &* Self.statuses &+ status] &+= 1
        totals.requestBytes = totals.requestBytes.sum(with: response.pointee.requestBytes)
        totals.responseBytes = totals.responseBytes.sum(with: response.pointee.responseBytes)
        totals.retransmits = totals.retransmits.sum(with: response.pointee.pressure.retransmits)
        if response.pointee.isEstimated { totals.estimated &+= 1 }
        guard !response.pointee.missesEvents else { return totals.lostEvents &+= 1 }
        if response.pointee.causes.total > 0 { totals.causes.merge(response.pointee.causes) }
        if let delay = response.pointee.ackDelay { totals.ackDelay = totals.ackDelay.sum(with: delay) }
        guard !response.pointee.isAdopted else { return totals.adopted &+= 1 }
        addTimes(of: response)
    }

    private func addTimes(of response: UnsafePointer<Response>) {
        let (cookie, number) = (response.pointee.connection.cookie, response.pointee.number)
        let (at, isStreaming) = (response.pointee.end, response.pointee.isStreaming)
        let histograms = histograms
        histograms.add(
            at &- response.pointee.begin, to: isStreaming ? Place.streamDuration : Place.duration, cookie: cookie,
            number: number, at: at)
        if let first = response.pointee.timeToFirstFlush {
            histograms.add(
                first, to: isStreaming ? Place.streamFirstFlush : Place.firstFlush, cookie: cookie, number: number,
                at: at)
        }
        guard !isStreaming else { return }
        for stage in Stage.allCases {
            guard let time = response.pointee.timeline[stage] else { continue }
            histograms.add(time, to: Place.stage &+ stage.index, cookie: cookie, number: number, at: at)
        }
    }

    /// One that left. Called for each, so it allocates and copies nothing.
    mutating func add(_ flush: UnsafePointer<Flush>) {
        isAlive = true
        let writes = flush.pointee.writes
        totals.flushes = totals.flushes.sum(with: writes)
        totals.flushBytes = totals.flushBytes.sum(with: flush.pointee.bytes)
        guard !flush.pointee.missesEvents else {
            return totals.flushesAfterLoss = totals.flushesAfterLoss.sum(with: writes)
        }
        let (cookie, number, at) = (flush.pointee.connection, flush.pointee.number, flush.pointee.at)
        let histograms = histograms
        if let gap = flush.pointee.gapSent {
            histograms.add(gap, to: Place.gapSent, cookie: cookie, number: number, at: at)
        }
        guard let total = flush.pointee.total else {
            return totals.flushesUnacknowledged = totals.flushesUnacknowledged.sum(with: writes)
        }
        let acked = at &+ total
        if let gap = flush.pointee.gapAcked {
            histograms.add(gap, to: Place.gapAcked, cookie: cookie, number: number, at: acked)
        }
        histograms.add(total, to: Place.delivery, cookie: cookie, number: number, at: acked, times: writes)
        for stage in Stage.delivery {
            guard let time = flush.pointee.stages[stage] else { continue }
            histograms.add(
                time, to: Place.flushStage &+ stage.index, cookie: cookie, number: number, at: acked, times: writes)
        }
    }

    /// One of its connections, as it is now.
    mutating func add(_ look: ConnectionLook, at: Nanoseconds) {
        isAlive = true
        let sample = look.sample
        gauges.connections &+= 1
        gauges.queuedBytes &+= Int64(sample.queuedBytes)
        gauges.unsentBytes &+= Int64(sample.unsentBytes)
        gauges.unackedBytes &+= Int64(sample.unackedBytes)
        gauges.oldestUnsent = max(gauges.oldestUnsent, sample.oldestUnsent)
        if sample.blocked > 0 { gauges.blockedWriters &+= 1 }
        guard let begin = look.response?.begin else { return }
        gauges.open &+= 1
        gauges.oldestOpen = max(gauges.oldestOpen, at - begin)
    }
}

extension Ending {
    /// Position in `allCases`.
    fileprivate var index: Int {
        switch self {
        case .complete: 0
        case .clientFin: 1
        case .clientReset: 2
        case .serverClose: 3
        case .serverReset: 4
        case .timeout: 5
        case .unknown: 6
        }
    }
}
