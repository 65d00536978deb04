// SPDX-License-Identifier: MIT
import TailraceModel

/// What one server process did between two looks at its sockets: all that a check may ask.
public struct ServerWindow: Sendable {
    /// Whose.
    public let server: Server
    /// The look at its end.
    public let at: Nanoseconds
    /// Between the looks, ns.
    public let length: Int64
    /// Its connections, by cookie.
    public let connections: [ConnectionWindow]
    /// Closed connections that it holds still, by cookie.
    public let held: [HeldConnection]
    /// What waits for it to accept or to read it, by cookie.
    public let waiting: [WaitingConnection]
    /// Responses in flight.
    public let inFlight: Int
    /// Of the responses that were first seen in it.
    public let arrivals: Arrivals
    /// Time of flushes with the device layer, of responses that ended, ns, and how many flushes those are.
    public let endedQdisc: (time: Int64, flushes: Int64)
    /// How the latencies of the newest responses go with open tasks.
    public let correlations: [StageCorrelation]
    /// Open tasks now, as somebody counts them; nil: nobody does.
    public let counted: Int?
    /// Latency by open tasks, of the same responses; nil: too few.
    public let curve: CountedCurve?
    /// nil: nobody counts its tasks, or too few readings are there.
    public let tasks: TaskTrend?
    /// Tasks that wait in a write, in words; nil: not known. Untrusted.
    public let writing: String?
    /// Tasks that responses left behind, counted one by one; nil: not known.
    public let leftBehind: Int?
    /// Held by queues, a second late.
    public let pressure: ServerPressure

    /// Connections with a response in the making.
    public var open: Int { connections.reduce(0) { $0 + ($1.look.response != nil ? 1 : 0) } }
    /// Open tasks now by a correlation's provider.
    func open(by provider: String) -> Int {
        provider == StageCorrelation.responses ? inFlight : counted ?? inFlight
    }
    /// Sum over all connections.
    public var unsentBytes: Int64 { connections.reduce(0) { $0 + Int64($1.sample.unsentBytes) } }
}

/// Requests that were read, and how long they waited for that.
public struct Arrivals: Sendable {
    /// How many.
    public var count = 0
    /// Of them, the first of their connections, where those may be gone by now.
    public var firsts = 0
    /// How long they waited, ns.
    public var waits = Distribution()
    /// Of those that waited longest.
    public var worst: Connection?

    /// None.
    public init() {}

    /// One more.
    mutating func add(_ wait: Int64, on connection: @autoclosure () -> Connection, isFirst: Bool) {
        if isFirst { firsts += 1 }
        if count == 0 || wait > waits.max { worst = connection() }
        count += 1
        waits.add(wait)
    }

    /// Share of those that waited at least as long, to the width of a bucket.
    public func share(from limit: Int64) -> Double {
        guard count > 0, waits.max >= limit else { return 0 }
        var (low, high) = (0.0, 1.0)
        for _ in 0..<12 {
            let middle = (low + high) / 2
            if waits.quantile(middle) ?? 0 >= limit { high = middle } else { low = middle }
        }
        return max(1 / Double(count), 1 - low)
    }
}
