// SPDX-License-Identifier: MIT
import TailraceModel

/// From the stream of events to responses, joined with the open tasks of their servers. Pure: the time of everything is in
/// the events.
///
///     var correlator = Correlator()
///     correlator.take(event) { actions in ... }
///     correlator.finish { actions in ... }
public struct Correlator {
    private var responses: ResponseCorrelator
    private var tasks = TaskJoin()

    /// `tellsFlushes`: each flush is told by itself too.
    public init(tellsFlushes: Bool = false) { responses = ResponseCorrelator(tellsFlushes: tellsFlushes) }

    /// Events of connections that were never announced, because that record was lost.
    public var unattributed: UInt64 { responses.unattributed }

    /// Responses that began and did not end, over all servers.
    public var openResponses: Int { responses.openResponses }

    /// Connections that are followed.
    public var connections: Int { responses.connections }

    /// Processes whose responses are counted.
    var servers: Int { responses.servers }

    /// Takes one event and tells what it led to, each response and each flush by itself.
    public mutating func take(_ event: borrowing KernelEvent, _ tell: (borrowing Actions) -> Void) {
        switch event {
        case .taskTold(let told): tasks.take(told, tell)
        // Where nobody tells of tasks, they cost nothing.
        case _ where tasks.isIdle: responses.take(event, tell)
        case .stateChanged(let change):
            tasks.willTake(change)
            responses.take(event) { actions in tasks.join(actions, tell) }
            tasks.didTake(change)
        default: responses.take(event) { actions in tasks.join(actions, tell) }
        }
    }

    /// The responses that are open, as they stand at `now`, oldest first; with the flushes that a snapshot told since the
    /// last call. `connection`: of that one only, by its cookie; nil: of all.
    public mutating func open(at now: Nanoseconds, on connection: UInt64? = nil) -> [Response] {
        tasks.join(open: responses.open(at: now, on: connection))
    }

    /// Nothing more comes: tells the ended responses that still wait for what is not known of them.
    public mutating func finish(_ tell: (borrowing Actions) -> Void) { tasks.finish(tell) }
}
