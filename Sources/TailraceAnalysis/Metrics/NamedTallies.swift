// SPDX-License-Identifier: MIT
import TailraceModel

/// What is counted of one server or program.
protocol NamedTally {
    init(_ name: ServerName, since: Nanoseconds)
    var name: ServerName { get }
    /// Something was told of it since the last look, or it has connections.
    var isAlive: Bool { get set }
    /// It was alive.
    var seen: Nanoseconds { get set }
    /// Responses that it counted.
    var responses: Int64 { get }
    /// What is so now, and is told anew in each look.
    mutating func forgetGauges()
}

/// A bounded number of tallies by name; what is beyond that is told under `other`.
///
/// Who is gone keeps its tally, because a counter that vanishes for a while is read as one that began anew. It is taken away when
/// it was gone for an hour; or, where a new name needs the room, for five minutes. What it had counted is not added to `other`:
/// the rate of that would jump by what was served long ago.
struct NamedTallies<Tally: NamedTally> {
    /// The first is `other`.
    var tallies: ContiguousArray<Tally>
    private var places: [ServerName: Int] = [:]
    private var vacant: [Int] = []
    private var recent = ServerPlaces()
    private var hasSoughtRoom = false
    /// With `other`.
    private let most: Int
    /// Tallies that were taken away.
    private(set) var evicted: Int64 = 0
    /// Responses that those had counted.
    private(set) var evictedResponses: Int64 = 0

    private static var kept: Int64 { 3_600_000_000_000 }
    private static var keptAtLeast: Int64 { 300_000_000_000 }

    init(most: Int, since: Nanoseconds) {
        self.most = most
        tallies = [Tally(.other, since: since)]
        tallies.reserveCapacity(most)
    }

    /// Names that have a tally.
    var named: Int { places.count }
    /// In the order in which they came, and `other` only where something was told of it.
    var used: [Int] { places.values.sorted() + (tallies[0].seen > 0 || tallies[0].isAlive ? [0] : []) }

    /// Where that of a server is; 0: there is no room for it.
    @inline(__always)
    mutating func place(of server: Server?, port: UInt16, at: Nanoseconds) -> Int {
        if let place = recent[server, port] { return place }
        return find(server, port, at)
    }

    @inline(never)
    private mutating func find(_ server: Server?, _ port: UInt16, _ at: Nanoseconds) -> Int {
        let name = ServerName(server, port: port)
        var place = name == .other ? 0 : places[name]
        if place == nil {
            if places.count >= most - 1 { makeRoom(at) }
            place = places.count < most - 1 ? add(name, at) : 0
        }
        recent.keep(place ?? 0, of: server, port)
        return place ?? 0
    }

    private mutating func add(_ name: ServerName, _ at: Nanoseconds) -> Int {
        let place = vacant.popLast() ?? tallies.count
        var tally = Tally(name, since: at)
        tally.seen = at
        if place == tallies.count { tallies.append(tally) } else { tallies[place] = tally }
        places[name] = place
        return place
    }

    /// Where sockets are looked at: before what is so now is told.
    mutating func beginLook(at: Nanoseconds) {
        for place in tallies.indices {
            if tallies[place].isAlive { (tallies[place].seen, tallies[place].isAlive) = (at, false) }
            tallies[place].forgetGauges()
        }
        hasSoughtRoom = false
        for (name, place) in places where at - tallies[place].seen >= Self.kept { evict(name, place) }
    }

    /// Not for each of many names: once a look.
    private mutating func makeRoom(_ at: Nanoseconds) {
        guard !hasSoughtRoom else { return }
        hasSoughtRoom = true
        let gone = places.filter { !tallies[$0.value].isAlive && at - tallies[$0.value].seen >= Self.keptAtLeast }
        for (name, place) in gone { evict(name, place) }
    }

    private mutating func evict(_ name: ServerName, _ place: Int) {
        places[name] = nil
        vacant.append(place)
        evicted += 1
        evictedResponses += tallies[place].responses
        tallies[place] = Tally(.other, since: 0)
        recent.forgetAll()
    }
}
