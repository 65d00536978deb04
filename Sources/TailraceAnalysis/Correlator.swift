// SPDX-License-Identifier: MIT
import TailraceModel

/// A flush that a snapshot told while it was on its way. It counts for `open(at:)` only: its own event is to come.
struct OutstandingFlush {
    private let marks: FlushMarks
    /// The event's own bytes live no longer than the event.
    private let head: [UInt8]

    init(_ flush: FlushMarks) {
        marks = flush
        head = Array(flush.head)
    }

    func withMarks(_ use: (FlushMarks) -> Void) {
        head.withUnsafeBytes { head in
            var marks = marks
            marks.head = head
            use(marks)
        }
    }
}

/// From the kernel's events to responses. Pure: the time of everything is in the events.
///
///     var correlator = Correlator()
///     correlator.take(event) { actions in ... }
public struct Correlator {
    private var trackers: ContiguousArray<ConnectionTracker> = []
    private var places: [UInt64: Int] = [:]
    private var vacant: [Int] = []
    /// Responses in flight by server; `serverPlaces` tells which.
    private var inFlight: ContiguousArray<InFlight> = []
    private var serverPlaces: [Int32: Int] = [:]
    private var actions = Actions()
    private var outstanding: [UInt64: [OutstandingFlush]] = [:]
    private let tellsFlushes: Bool

    /// Events of connections that were never announced, because that record was lost.
    public private(set) var unattributed: UInt64 = 0

    /// `tellsFlushes`: each flush is told by itself too.
    public init(tellsFlushes: Bool = false) { self.tellsFlushes = tellsFlushes }

    /// Responses that began and did not end, over all servers.
    public var openResponses: Int { inFlight.reduce(0) { $0 + $1.count } }

    /// Takes one event and tells what it led to.
    public mutating func take(_ event: borrowing KernelEvent, _ tell: (borrowing Actions) -> Void) {
        actions.clear()
        switch event {
        case .socketUsed(let use): announce(use)
        case .requestRead(let read):
            guard let place = place(of: read.socket) else { return }
            let server = trackers[place].serverPlace
            trackers[place].take(read, &inFlight[server], &actions)
        case .flushLeft(let flush):
            guard let place = place(of: flush.socket) else { return }
            if flush.isOutstanding { return outstanding[flush.socket, default: []].append(OutstandingFlush(flush)) }
            let server = trackers[place].serverPlace
            trackers[place].take(flush, tellsFlush: tellsFlushes, &inFlight[server], &actions)
        case .stateChanged(let change):
            guard let place = place(of: change.socket) else { return }
            let server = trackers[place].serverPlace
            trackers[place].take(change, &inFlight[server], &actions)
            if change.new == .closed { forget(change.socket) }
        }
        if !actions.ended.isEmpty || actions.flush != nil { tell(actions) }
    }

    /// The responses that are open, as they stand at `now`, oldest first; with the flushes that a snapshot told since the
    /// last call.
    public mutating func open(at now: Nanoseconds) -> [Response] {
        var responses: [Response] = []
        for (cookie, place) in places {
            let tracker = trackers[place]
            let counts = inFlight[tracker.serverPlace]
            if let response = tracker.open(with: outstanding[cookie] ?? [], at: now, counts) {
                responses.append(response)
            }
        }
        outstanding = [:]
        return responses.sorted { $0.begin < $1.begin }
    }

    private mutating func place(of socket: UInt64) -> Int? {
        let place = places[socket]
        if place == nil { unattributed += 1 }
        return place
    }

    private mutating func announce(_ use: SocketUse) {
        let cookie = use.connection.cookie
        let server = serverPlaces[use.server.pid] ?? inFlight.count
        if server == inFlight.count {
            inFlight.append(InFlight())
            serverPlaces[use.server.pid] = server
        }
        if let place = places[cookie] {
            trackers[place].use(by: use.server, place: server)
        } else if let place = vacant.popLast() {
            trackers[place] = ConnectionTracker(use, serverPlace: server)
            places[cookie] = place
        } else {
            places[cookie] = trackers.count
            trackers.append(ConnectionTracker(use, serverPlace: server))
        }
    }

    private mutating func forget(_ socket: UInt64) {
        guard let place = places.removeValue(forKey: socket) else { return }
        vacant.append(place)
    }
}
