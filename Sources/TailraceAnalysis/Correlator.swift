// SPDX-License-Identifier: MIT
import TailraceModel

/// From the kernel's events to responses. Pure: the time of everything is in the events.
///
///     var correlator = Correlator()
///     correlator.take(event) { actions in ... }
public struct Correlator {
    private var trackers: ContiguousArray<ConnectionTracker> = []
    private var places: [UInt64: Int] = [:]
    private var vacant: [Int] = []
    private var inFlight: [Int32: InFlight] = [:]
    private var actions = Actions()
    private let tellsFlushes: Bool

    /// Events of connections that were never announced, because that record was lost.
    public private(set) var unattributed: UInt64 = 0

    /// `tellsFlushes`: each flush is told by itself too.
    public init(tellsFlushes: Bool = false) { self.tellsFlushes = tellsFlushes }

    /// Responses that began and did not end, over all servers.
    public var openResponses: Int { inFlight.values.reduce(0) { $0 + $1.count } }

    /// Takes one event and tells what it led to.
    public mutating func take(_ event: KernelEvent, _ tell: (borrowing Actions) -> Void) {
        switch event {
        case .socketUsed(let use): announce(use)
        case .requestRead(let read):
            act(on: read.socket, tell) { $0.take(read, &$1, &$2) }
        case .flushLeft(let flush):
            let tellsFlush = tellsFlushes
            act(on: flush.socket, tell) { $0.take(flush, tellsFlush: tellsFlush, &$1, &$2) }
        case .stateChanged(let change):
            act(on: change.socket, tell) { $0.take(change, &$1, &$2) }
            if change.new == .closed { forget(change.socket) }
        }
    }

    /// The responses that are open, as they stand at `now`, oldest first.
    public func open(at now: Nanoseconds) -> [Response] {
        var responses: [Response] = []
        for place in places.values {
            let tracker = trackers[place]
            guard let current = tracker.preview ?? tracker.current else { continue }
            var response = current.told(at: now, endedBy: nil)
            let counts = inFlight[tracker.server.pid] ?? InFlight()
            response.inFlight.max = counts.largest(since: current.inFlightMark)
            response.inFlight.end = counts.count
            responses.append(response)
        }
        return responses.sorted { $0.begin < $1.begin }
    }

    private mutating func announce(_ use: SocketUse) {
        let cookie = use.connection.cookie
        if let place = places[cookie] {
            trackers[place].use(by: use.server)
        } else if let place = vacant.popLast() {
            trackers[place] = ConnectionTracker(use)
            places[cookie] = place
        } else {
            places[cookie] = trackers.count
            trackers.append(ConnectionTracker(use))
        }
    }

    private mutating func act(
        on socket: UInt64, _ tell: (borrowing Actions) -> Void,
        _ work: (inout ConnectionTracker, inout InFlight, inout Actions) -> Void
    ) {
        guard let place = places[socket] else {
            unattributed += 1
            return
        }
        actions.clear()
        let pid = trackers[place].server.pid
        work(&trackers[place], &inFlight[pid, default: InFlight()], &actions)
        if !actions.ended.isEmpty || actions.flush != nil { tell(actions) }
    }

    private mutating func forget(_ socket: UInt64) {
        guard let place = places.removeValue(forKey: socket) else { return }
        vacant.append(place)
    }
}
