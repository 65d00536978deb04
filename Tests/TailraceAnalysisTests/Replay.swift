// SPDX-License-Identifier: MIT
import TailraceModel
import Traffic

@testable import TailraceAnalysis

/// Records told to a correlator, and what became of them.
struct Replay {
    var correlator = Correlator(tellsFlushes: true)
    private(set) var ended: [Response] = []
    private(set) var flushes: [Flush] = []

    mutating func take(_ record: Record) {
        record.withEvent { event in
            correlator.take(event) { actions in
                ended += actions.ended
                if let flush = actions.flush { flushes.append(flush) }
            }
        }
    }

    mutating func take(_ records: some Sequence<Record>) { for record in records { take(record) } }

    /// Of one connection.
    func ended(on cookie: UInt64) -> [Response] { ended.filter { $0.connection.cookie == cookie } }
}

/// All that a response says, but for what other connections have a part in.
struct Fingerprint: Equatable, CustomStringConvertible {
    let description: String

    init(_ response: Response) { self.init(response, isNumbered: true) }

    /// `isNumbered`: also its place on its connection.
    init(_ response: Response, isNumbered: Bool) {
        let distributions = [
            response.delivery.send, response.delivery.queue, response.delivery.qdisc, response.delivery.driver,
            response.delivery.network, response.delivery.total, response.gapSent, response.gapAcked,
        ].map { "\($0.count)/\($0.sum)/\($0.max)/\($0.quantile(0.5) ?? -1)" }
        let stages = Stage.allCases.map { "\(response.timeline[$0] ?? -1)" }
        description = """
            \(isNumbered ? response.id : "") \(response.state) \(response.begin)...\(response.end) \(response.server?.pid ?? 0) \
            \(response.protocolName?.rawValue ?? "-") \(response.method ?? "-") \(response.target ?? "-") \
            \(response.status ?? 0) \(response.contentType ?? "-") \(response.isStreaming) \
            \(response.endedBy?.rawValue ?? "-") \(response.requestBytes) \(response.responseBytes) \(response.flushes) \
            \(response.timeToFirstFlush ?? -1) \(response.ackDelay ?? -1) \(stages) \(response.causes) \
            \(distributions) \(response.pressure) \(response.isAdopted) \(response.isEstimated)
            """
    }
}

extension Response {
    /// What is wrong with it by itself, whatever happened; nil: nothing.
    var contradiction: String? {
        if timeline.total != duration { return "stages sum to \(timeline.total), duration is \(duration)" }
        if duration < 0 { return "duration \(duration)" }
        for stage in Stage.allCases where timeline[stage] ?? 0 < 0 { return "\(stage) is \(timeline[stage] ?? 0)" }
        let held = (timeline[.blocked] ?? 0) + (timeline[.queue] ?? 0)
        if causes.total != held { return "causes sum to \(causes.total), blocked and queue to \(held)" }
        for cause in WaitCause.allCases where causes[cause] < 0 { return "\(cause) is \(causes[cause])" }
        if state == .ended, endedBy == nil { return "ended by nothing" }
        if state == .open, endedBy != nil { return "open and ended" }
        if responseBytes < 0 || requestBytes < 0 || flushes < 0 { return "negative counts" }
        if let timeToFirstFlush, timeToFirstFlush < 0 { return "ttff \(timeToFirstFlush)" }
        if let ackDelay, ackDelay < 0 || ackDelay > timeline[.network] ?? 0 { return "ack delay \(ackDelay)" }
        for values in [
            delivery.send, delivery.queue, delivery.qdisc, delivery.network, delivery.total, gapSent, gapAcked,
        ]
        where values.count > 0 && (values.max < 0 || values.sum < values.max) {
            return "a distribution of \(values.sum)"
        }
        if inFlight.begin < 1 || inFlight.end < 1 || inFlight.max < max(inFlight.begin, inFlight.end) {
            return "in flight \(inFlight)"
        }
        return nil
    }
}
