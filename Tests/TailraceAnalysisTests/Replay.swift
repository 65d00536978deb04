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
