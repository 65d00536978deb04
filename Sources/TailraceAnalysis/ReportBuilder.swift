// SPDX-License-Identifier: MIT
import TailraceModel

/// Sums up what a run tells, in memory that does not grow with it: distributions are histograms, lists keep what is largest
/// or heaviest, and what is beyond that is counted as one.
///
///     var builder = ReportBuilder()
///     builder.add(flush); builder.add(response, anchor: anchor) ...
///     let report = builder.report(begin: wall, duration: length, loss: loss, unattributed: 0)
public struct ReportBuilder {
    /// Rows of a list: slowest responses, peers, targets.
    static let rows = 10
    /// Targets and peers of a server that are told apart; up to twice as many for a while.
    static let keptTargets = 512
    static let keptPeers = 512
    /// Servers that are told apart.
    static let keptServers = 64

    private var servers: ContiguousArray<ServerTally> = []
    private var places: [Key: Int] = [:]
    private var otherResponses: Int64 = 0
    /// Most responses come from the server of the one before.
    private var lastServer: Server?
    private var lastPort: UInt16 = 0
    private var lastPlace: Int?

    private struct Key: Hashable, Comparable {
        let program: String
        let cgroup: String
        let port: UInt16

        static func < (left: Key, right: Key) -> Bool {
            (left.port, left.program, left.cgroup) < (right.port, right.program, right.cgroup)
        }
    }

    /// Empty.
    public init() {}

    /// Adds an ended or open response; `anchor`: for its wall time. Its flushes come before it.
    public mutating func add(_ response: borrowing Response, anchor: ClockAnchor) {
        guard let place = place(of: response.server, port: response.connection.local.port) else {
            return otherResponses += 1
        }
        servers[place].add(response, anchor: anchor)
    }

    /// Adds a flush of a response that has not ended.
    public mutating func add(_ flush: Flush) {
        guard let place = place(of: flush.server, port: flush.port) else { return }
        servers[place].add(flush)
    }

    private mutating func place(of server: Server?, port: UInt16) -> Int? {
        if let lastPlace, lastServer === server, lastPort == port { return lastPlace }
        let key = Key(program: server?.executable ?? server?.comm ?? "", cgroup: server?.cgroup ?? "", port: port)
        var place = places[key]
        if place == nil {
            guard servers.count < Self.keptServers else { return nil }
            place = servers.count
            places[key] = servers.count
            servers.append(ServerTally(server, port: port))
        }
        (lastServer, lastPort, lastPlace) = (server, port, place)
        return place
    }

    /// What was added, as the report of a run of `duration` ns from `begin` (ns since 1970).
    public func report(begin: Int64, duration: Int64, loss: Loss, unattributed: UInt64) -> Report {
        var report = Report(begin: begin, duration: duration)
        report.servers = places.map { (key: $0.key, tally: servers[$0.value]) }
            .sorted {
                $0.tally.responses != $1.tally.responses
                    ? $0.tally.responses > $1.tally.responses : $0.key < $1.key
            }
            .map { $0.tally.finished() }
        report.otherResponses = otherResponses
        report.loss = loss
        report.unattributed = unattributed
        return report
    }
}
