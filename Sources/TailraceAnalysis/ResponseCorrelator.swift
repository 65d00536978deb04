// SPDX-License-Identifier: MIT
import TailraceModel

/// From the kernel's events to responses; of tasks it knows nothing.
struct ResponseCorrelator {
    private var trackers: ContiguousArray<ConnectionTracker> = []
    private var places = SocketTable()
    private var vacant: [Int] = []
    private var serverPlaces: [Int32: Int] = [:]
    private var vacantServers: [Int] = []
    private var context: TrackingContext
    private var held = HeldTable()
    private var waiting = WaitingTable()
    /// Connections that were let go within the newest rounds: what was in the making of them may still come.
    private var gone: (older: Set<UInt64>, newer: Set<UInt64>) = ([], [])
    private var outstanding: [UInt64: [FlushMarks]] = [:]
    /// Whose connections came since the newest round, by their place: they may be gone before the next one meets them.
    private var newcomers: [Int: Server] = [:]

    /// When the newest looks at all sockets began, the oldest first.
    private var rounds: [Nanoseconds] = []
    /// A socket that comes or goes while all are walked through can hide another one: not so often in a row.
    private static let unseenRounds = 3

    /// Events of connections that were never announced, because that record was lost.
    private(set) var unattributed: UInt64 = 0

    /// `tellsFlushes`: each flush is told by itself too.
    init(tellsFlushes: Bool = false) { context = TrackingContext(tellsFlushes: tellsFlushes) }

    /// Responses that began and did not end, over all servers.
    var openResponses: Int { context.inFlight.reduce(0) { $0 + $1.count } }

    /// Connections that are followed.
    var connections: Int { places.count }

    /// Takes one event and tells what it led to, each response and each flush by itself.
    mutating func take(_ event: borrowing KernelEvent, _ tell: (borrowing Actions) -> Void) {
        switch event {
        case .socketUsed(let use):
            announce(use)
            if use.isAfterLoss, let place = places[use.connection.cookie] { trackers[place].loseSight() }
        case .requestRead(let read):
            guard let place = place(of: read.pointee.socket, isAfterLoss: read.pointee.isAfterLoss) else { return }
            trackers[place].take(read.pointee, &context, tell)
        case .headSent(let sent):
            guard let place = place(of: sent.pointee.socket, isAfterLoss: sent.pointee.isAfterLoss) else { return }
            trackers[place].take(sent.pointee, &context)
        case .flushLeft(let flush):
            guard let place = place(of: flush.pointee.socket, isAfterLoss: flush.pointee.isAfterLoss) else { return }
            if flush.pointee.isOutstanding { return wait(for: flush.pointee) }
            trackers[place].take(flush.pointee, &context, tell)
        case .stateChanged(let change) where change.isLetGo: letGo(change, tell)
        case .stateChanged(let change):
            guard let place = place(of: change.socket, isAfterLoss: change.isAfterLoss) else { return }
            if change.isHeld, change.new == .closed { held.add(trackers[place].held(at: change.at)) }
            trackers[place].take(change, &context, tell)
            if change.new == .closed { forget(change.socket) }
        case .socketSampled(let sample) where sample.pointee.isHeld:
            held.see(sample.pointee.socket, at: sample.pointee.at)
        case .socketSampled(let sample):
            // One that is not known was first used after the ring was drained: what announces it is still in there.
            guard let place = places[sample.pointee.socket] else { return }
            if sample.pointee.isAfterLoss { trackers[place].loseSight() }
            trackers[place].take(sample.pointee)
        case .connectionWaits(let wait):
            guard let place = places[wait.connection.cookie] else { return waiting.add(unused: wait) }
            if trackers[place].isRequest(waitingSince: wait.since) { waiting.add(trackers[place].waiting(wait)) }
        case .roundEnded(let round):
            if round.isComplete { end(round, tell) }
            gone = (gone.newer, [])
            Actions.look(look(of: round), tell)
        case .taskTold: break
        }
    }

    /// Every connection that the round met, and what was held since the one before.
    private mutating func look(of round: SamplingRound) -> RoundLook {
        var looks: [ConnectionLook] = []
        places.forEach { _, place in
            if trackers[place].sample.at >= round.begin { looks.append(trackers[place].look(&context)) }
        }
        let waiting = waiting.take()
        return RoundLook(
            begin: round.begin, at: round.end, connections: looks, held: held.met(since: round.begin),
            waiting: waiting, holds: context.holds.take(), samples: samples(of: round, waiting))
    }

    /// The sockets of each server as they were sampled, by process id; a server whose connections are gone has none.
    private mutating func samples(of round: SamplingRound, _ waiting: [WaitingConnection]) -> [ServerSample] {
        var samples = newcomers.mapValues { ServerSample(server: $0, at: round.end) }
        newcomers = [:]
        places.forEach { _, place in
            guard trackers[place].sample.at >= round.begin else { return }
            let server = trackers[place].serverPlace
            samples[server, default: ServerSample(server: trackers[place].server, at: round.end)].add(
                trackers[place].sample)
        }
        for (place, count) in context.inFlight.enumerated() { samples[place]?.inFlight = count.count }
        // Of these nobody may have used a connection yet.
        var listening: [Int32: ServerSample] = [:]
        for waiting in waiting {
            guard let server = waiting.server else { continue }
            if let place = serverPlaces[server.pid], samples[place] != nil {
                samples[place]?.add(waiting)
            } else {
                listening[server.pid, default: ServerSample(server: server, at: round.end)].add(waiting)
            }
        }
        return (Array(samples.values) + listening.values).sorted {
            ($0.server.pid, $0.server.started) < ($1.server.pid, $1.server.started)
        }
    }

    /// Ends what belongs to connections that are gone without a word, because their end was not seen, or its record was lost:
    /// several rounds did not meet them.
    private mutating func end(_ round: SamplingRound, _ tell: (borrowing Actions) -> Void) {
        rounds.append(round.begin)
        guard rounds.count >= Self.unseenRounds else { return }
        let begin = rounds.removeFirst()
        held.forget(unseenSince: begin)
        var gone: [UInt64] = []
        places.forEach { cookie, place in if trackers[place].seen < begin { gone.append(cookie) } }
        for cookie in gone.sorted() {
            guard let place = places[cookie] else { continue }
            trackers[place].vanish(at: begin, &context, tell)
            forget(cookie)
        }
    }

    /// It is not looked at any more: how its responses end will not be seen.
    private mutating func letGo(_ change: StateChange, _ tell: (borrowing Actions) -> Void) {
        gone.newer.insert(change.socket)
        guard !held.remove(change.socket), let place = places[change.socket] else { return }
        trackers[place].vanish(at: change.at, &context, tell)
        forget(change.socket)
    }

    private mutating func wait(for flush: FlushMarks) {
        outstanding[flush.socket, default: []].append(flush)
    }

    /// The responses that are open, as they stand at `now`, oldest first; with the flushes that a snapshot told since the
    /// last call.
    mutating func open(at now: Nanoseconds, on connection: UInt64? = nil) -> [Response] {
        var responses: [Response] = []
        places.forEach { cookie, place in
            guard connection == nil || connection == cookie else { return }
            // The newest look did not meet its socket: it may have ended.
            let isUnsure = rounds.last.map { trackers[place].seen < $0 } ?? false
            trackers[place].addOpen(
                with: outstanding[cookie] ?? [], at: now, isEstimated: isUnsure, &context, to: &responses)
        }
        outstanding = [:]
        return responses.sorted {
            ($0.begin, $0.connection.cookie, $0.number) < ($1.begin, $1.connection.cookie, $1.number)
        }
    }

    @inline(__always)
    private mutating func place(of socket: UInt64, isAfterLoss: Bool) -> Int? {
        let place = places[socket]
        if let place {
            if isAfterLoss { trackers[place].loseSight() }
        } else if !gone.newer.contains(socket), !gone.older.contains(socket) {
            unattributed += 1
        }
        return place
    }

    private mutating func announce(_ use: SocketUse) {
        let cookie = use.connection.cookie
        guard cookie != 0 else { return unattributed += 1 }
        let server = serverPlace(of: use.server.pid)
        newcomers[server] = use.server
        waiting.add(use)
        defer { if use.isHalfClosed, let place = places[cookie] { trackers[place].closing.findFin(at: use.at) } }
        if let place = places[cookie] {
            trackers[place].use(by: use.server, place: server)
        } else if let place = vacant.popLast() {
            trackers[place] = ConnectionTracker(use, serverPlace: server)
            places.insert(cookie, place: place)
        } else {
            places.insert(cookie, place: trackers.count)
            trackers.append(ConnectionTracker(use, serverPlace: server))
        }
    }

    /// Where the responses of that process are counted.
    private mutating func serverPlace(of pid: Int32) -> Int {
        if let place = serverPlaces[pid] { return place }
        if serverPlaces.count >= 2 * places.count + 64 { forgetServers() }
        let place = vacantServers.popLast() ?? context.inFlight.count
        if place == context.inFlight.count { context.inFlight.append(InFlight()) }
        serverPlaces[pid] = place
        return place
    }

    /// Of processes that have no connection any more: a server that forks for each would fill the memory.
    private mutating func forgetServers() {
        var used = Set<Int>()
        places.forEach { _, place in used.formUnion(trackers[place].serverPlaces) }
        for (pid, place) in serverPlaces where !used.contains(place) {
            newcomers[place] = nil
            serverPlaces[pid] = nil
            vacantServers.append(place)
            context.inFlight[place] = InFlight()
        }
    }

    /// Processes whose responses are counted.
    var servers: Int { serverPlaces.count }

    private mutating func forget(_ socket: UInt64) {
        guard let place = places.remove(socket) else { return }
        vacant.append(place)
    }
}
