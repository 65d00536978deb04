// SPDX-License-Identifier: MIT
import TailraceModel

/// Sums up the timelines of one kind of ended responses.
struct TimelineTally {
    private var report: TimelineReport
    private var slow = Largest<SlowResponse>(capacity: TimelineTally.slowLimit)

    /// Slow responses that are kept: the slowest 1 % of up to 409,600 responses.
    static let slowLimit = 4096

    /// What the share of the slow ones is made of.
    private struct SlowResponse: Comparable {
        let duration: Int64
        let begin: Nanoseconds
        let cookie: UInt64
        let number: Int
        let timeline: StageTimes
        let causes: CauseTimes
        let ackDelay: Int64?
        let remote: Endpoint

        init(_ response: borrowing Response) {
            duration = response.duration
            begin = response.begin
            cookie = response.connection.cookie
            number = response.number
            timeline = response.timeline
            causes = response.causes
            ackDelay = response.ackDelay
            remote = response.connection.remote
        }

        static func < (left: SlowResponse, right: SlowResponse) -> Bool {
            (left.duration, left.begin, left.cookie, left.number)
                < (right.duration, right.begin, right.cookie, right.number)
        }
    }

    init(isStreaming: Bool) { report = TimelineReport(isStreaming: isStreaming) }

    var count: Int64 { report.count }

    mutating func add(_ response: borrowing Response) {
        report.count += 1
        report.duration.add(response.duration)
        for stage in Stage.allCases {
            if let time = response.timeline[stage] { report.stages[stage.index].add(time) }
        }
        report.causes.merge(response.causes)
        if slow.threshold.map({ $0.duration <= response.duration }) ?? true { slow.add(SlowResponse(response)) }
    }

    /// The sums, with the slowest 1 % taken apart.
    func finished() -> TimelineReport {
        var report = report
        let wanted = max(1, (report.count + 99) / 100)
        let slowest = Array(slow.sorted.prefix(Int(wanted)))
        report.slow = cohort(of: slowest)
        return report
    }

    private func cohort(of slowest: [SlowResponse]) -> SlowCohort {
        var cohort = SlowCohort()
        cohort.count = Int64(slowest.count)
        cohort.of = report.count
        cohort.shortest = slowest.last?.duration ?? 0
        var network: Int64 = 0
        var delay: Int64?
        for response in slowest {
            for stage in Stage.allCases where response.duration > 0 {
                let share = Double(response.timeline[stage] ?? 0) / Double(response.duration)
                cohort.shares[stage.index] += share / Double(slowest.count)
            }
            cohort.causes.merge(response.causes)
            network = network.sum(with: response.timeline[.network] ?? 0)
            if let ackDelay = response.ackDelay { delay = (delay ?? 0).sum(with: ackDelay) }
        }
        cohort.ackDelayShare = network > 0 ? delay.map { Double($0) / Double(network) } : nil
        findWorstPeer(of: slowest, &cohort)
        return cohort
    }

    private func findWorstPeer(of slowest: [SlowResponse], _ cohort: inout SlowCohort) {
        var held: [Endpoint: Int64] = [:]
        for response in slowest where response.causes.total > 0 {
            held[response.remote] = (held[response.remote] ?? 0).sum(with: response.causes.total)
        }
        guard let worst = held.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else { return }
        cohort.worstPeer = worst.key
        cohort.worstPeerShare = Double(worst.value) / Double(cohort.causes.total)
    }
}
