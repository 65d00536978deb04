// SPDX-License-Identifier: MIT

/// The timelines of one kind of ended responses, summed up.
public struct TimelineReport: Sendable {
    /// Whether they are streaming: a stream lasts as long as it has something to say, so the two kinds share no percentile.
    public var isStreaming: Bool
    /// How many.
    public var count: Int64 = 0
    /// Of the responses.
    public var duration = Distribution()
    /// By `Stage.index`; empty where no response knows the stage.
    public var stages = [Distribution](repeating: Distribution(), count: Stage.allCases.count)
    /// What held the bytes in `blocked` and `queue`, ns.
    public var causes = CauseTimes()
    /// The slowest 1 %.
    public var slow = SlowCohort()

    /// No response.
    public init(isStreaming: Bool) { self.isStreaming = isStreaming }

    /// Share of the stage in the time of all of them, 0...1; nil: no response knows the stage.
    public func share(of stage: Stage) -> Double? {
        guard stages[stage.index].count > 0 else { return nil }
        return duration.sum > 0 ? Double(stages[stage.index].sum) / Double(duration.sum) : 0
    }
}

/// How soon and how steadily the bytes of one kind of responses came; open responses included, because a stream that goes
/// on has its first flush and its gaps behind it.
public struct PaceReport: Sendable {
    /// Whether they are streaming.
    public var isStreaming: Bool
    /// From begin to the first send call that carries body.
    public var timeToFirstFlush = Distribution()
    /// Between the starts of adjacent flushes, at the server.
    public var gapSent = Distribution()
    /// Between the ACKs of adjacent flushes.
    public var gapAcked = Distribution()

    /// No response.
    public init(isStreaming: Bool) { self.isStreaming = isStreaming }

    /// Adds a response.
    public mutating func add(_ response: borrowing Response) {
        if !response.isAdopted, let first = response.timeToFirstFlush { timeToFirstFlush.add(first) }
        gapSent.merge(response.gapSent)
        gapAcked.merge(response.gapAcked)
    }
}

/// The slowest responses of a kind: 1 % of them, at least one.
public struct SlowCohort: Sendable {
    /// How many; less than 1 % where that would be more than are kept.
    public var count: Int64 = 0
    /// Of how many.
    public var of: Int64 = 0
    /// Duration of the fastest of them, ns.
    public var shortest: Int64 = 0
    /// Mean of the stage's share in each of them, 0...1, by `Stage.index`.
    public var shares = [Double](repeating: 0, count: Stage.allCases.count)
    /// What held their bytes in `blocked` and `queue`, ns.
    public var causes = CauseTimes()
    /// How much of their time in `network` is beyond the round trip, 0...1; nil: not known.
    public var ackDelayShare: Double?
    /// The connection that held bytes longest; nil: none did.
    public var worstPeer: Endpoint?
    /// Its share in the time that bytes were held, 0...1.
    public var worstPeerShare = 0.0

    /// Nobody.
    public init() {}

    /// Mean share of the stage, 0...1.
    public subscript(stage: Stage) -> Double { shares[stage.index] }
}

/// A response that is told by itself.
public struct ToldResponse: Sendable {
    /// Unique within a run.
    public var id: String
    /// Open or ended.
    public var state: Response.State
    /// The request's first byte was readable; ns since 1970.
    public var begin: Int64
    /// So far, where it is open; ns.
    public var duration: Int64
    /// The client.
    public var remote: Endpoint
    /// nil: not HTTP, or not readable.
    public var method: String?
    /// Path without query. Untrusted.
    public var target: String?
    /// nil: none was seen.
    public var status: Int?
    /// What the bytes were taken for.
    public var protocolName: ResponseProtocol?
    /// Whether its end is not announced.
    public var isStreaming: Bool
    /// nil while it is open.
    public var endedBy: Ending?
    /// Sums to `duration`.
    public var timeline: StageTimes
    /// What held its bytes.
    public var causes: CauseTimes
    /// Handed over by the server.
    public var responseBytes: Int64
    /// Largest number of unsent bytes.
    public var unsentBytesMax: Int64
    /// A part was estimated.
    public var isEstimated: Bool

    /// What of `response` is told; `anchor`: for its wall time.
    public init(_ response: borrowing Response, anchor: ClockAnchor) {
        id = response.id
        state = response.state
        begin = anchor.wall(at: response.begin)
        duration = response.duration
        remote = response.connection.remote
        method = response.method
        target = response.target
        status = response.status
        protocolName = response.protocolName
        isStreaming = response.isStreaming
        endedBy = response.endedBy
        timeline = response.timeline
        causes = response.causes
        responseBytes = response.responseBytes
        unsentBytesMax = response.pressure.unsentBytesMax
        isEstimated = response.isEstimated
    }
}

/// What one peer held.
public struct PeerReport: Sendable {
    /// Its address; nil: several peers as one.
    public var host: Endpoint?
    /// Responses whose bytes it held for a millisecond or longer, open ones included.
    public var responses: Int64 = 0
    /// Time of these responses in `blocked` and `queue`, ns.
    public var held: Int64 = 0
    /// Of `held`, by cause.
    public var causes = CauseTimes()
    /// Largest number of unsent bytes of one connection.
    public var unsentBytesMax: Int64 = 0
    /// The connection of the response that held bytes longest.
    public var worst: Endpoint?
    /// How long that response held them, ns.
    public var worstHeld: Int64 = 0

    /// Of one peer, or of several.
    public init(host: Endpoint?) { self.host = host }
}

/// Responses to the same requests.
public struct TargetReport: Sendable {
    /// Method and path, where numbers and ids in the path are `{n}` and `{id}`; nil: several targets as one. Untrusted.
    public var name: String?
    /// Ended responses, none of which misses an event.
    public var duration = Distribution()
    /// Sum of their timelines.
    public var times = StageTimes()
    /// How many of them have a status of 400 or more.
    public var errors: Int64 = 0

    /// Without responses.
    public init(name: String?) { self.name = name }
}
