// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing
import Traffic

@testable import TailraceAnalysis

@Suite("Records of several connections, and of several processors, in any order")
struct InterleavingTests {
    @Test(
        "connections do not change each other, and responses in flight are counted by server", arguments: Seeds.shares)
    func connections(share: Int) {
        Seeds.check(share: share) { seed in Crowd(seed: seed).difference() }
    }

    @Test("where two processors race, nothing changes but the order of the records", arguments: Seeds.shares)
    func races(share: Int) {
        let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)
        Seeds.check(share: share) { seed in
            let traced = TracedConnection(seed: seed, index: 0, server: server)
            var random = SeededGenerator(state: ~seed)
            let raced = Race(traced).records(&random)
            var (replay, other) = (Replay(), Replay())
            replay.take(traced.kernel.records)
            other.take(raced)
            let (told, again) = (replay.ended.map(Fingerprint.init), other.ended.map(Fingerprint.init))
            if let pair = zip(told, again).first(where: { $0 != $1 }) { return "\(pair.0)\nand \(pair.1)" }
            return told.count == again.count
                ? nil : Comparison(traced).explain("\(told.count) responses and \(again.count)")
        }
    }
}

/// Several connections of two servers at once.
private struct Crowd {
    let connections: [TracedConnection]
    /// Which connection each record belongs to, as they come.
    private var order: [Int] = []

    init(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        let servers = [42, 43].map { Server(pid: $0, started: 1, comm: "s", executable: nil, cgroup: nil) }
        connections = (0..<Int.random(in: 2...4, using: &random)).map { index in
            TracedConnection(seed: random.next(), index: index, server: servers[index % 2])
        }
        var left = connections.map(\.kernel.records.count)
        while left.contains(where: { $0 > 0 }) {
            let index = Int.random(in: 0..<left.count, using: &random)
            guard left[index] > 0 else { continue }
            left[index] -= 1
            order.append(index)
        }
    }

    func difference() -> String? {
        var replay = Replay()
        var next = connections.map { _ in 0 }
        var naive = connections.map { Naive(truths: $0.truths()) }
        var expected: [UInt64: [CountRange]] = [:]
        var counts: [Int32: Int] = [:]
        for index in order {
            let kernel = connections[index].kernel
            replay.take(kernel.records[next[index]])
            naive.step(index, next[index], connections, &counts, &expected)
            next[index] += 1
            let open = counts.values.reduce(0, +)
            if replay.correlator.openResponses != open {
                return Comparison(connections[index]).explain(
                    "\(replay.correlator.openResponses) in flight, should be \(open), after its record \(next[index] - 1)"
                )
            }
        }
        for traced in connections {
            let cookie = traced.kernel.cookie
            var alone = Replay()
            alone.take(traced.kernel.records)
            let told = replay.ended(on: cookie)
            if told.map(Fingerprint.init) != alone.ended.map(Fingerprint.init) { return "connection \(cookie) differs" }
            if told.map(\.inFlight) != expected[cookie] ?? [] {
                return "connection \(cookie): in flight \(told.map(\.inFlight)), should be \(expected[cookie] ?? [])"
            }
        }
        return nil
    }
}

/// Counts responses in flight of one connection, from what happened.
private struct Naive {
    let truths: [Truth]
    var current = 0
    var range: CountRange?
}

extension [Naive] {
    /// Record number `record` of connection `index` came.
    fileprivate mutating func step(
        _ index: Int, _ record: Int, _ connections: [TracedConnection], _ counts: inout [Int32: Int],
        _ expected: inout [UInt64: [CountRange]]
    ) {
        let kernel = connections[index].kernel
        while self[index].current < self[index].truths.count {
            let truth = self[index].truths[self[index].current]
            if self[index].range == nil, truth.beginRecord == record {
                let count = counts[kernel.server.pid, default: 0] + 1
                counts[kernel.server.pid] = count
                self[index].range = CountRange(begin: count, end: 0, max: count)
                for other in indices where connections[other].kernel.server.pid == kernel.server.pid {
                    let highest = self[other].range?.max ?? 0
                    self[other].range?.max = Swift.max(highest, count)
                }
            }
            guard truth.endRecord == record, var range = self[index].range else { return }
            range.end = counts[kernel.server.pid] ?? 0
            counts[kernel.server.pid, default: 1] -= 1
            expected[kernel.cookie, default: []].append(range)
            self[index].range = nil
            self[index].current += 1
        }
    }
}

/// The same connection, told by two processors at once.
private struct Race {
    private let traced: TracedConnection
    init(_ traced: TracedConnection) { self.traced = traced }

    func records(_ random: inout SeededGenerator) -> [Record] {
        var records = traced.kernel.records
        for index in records.indices.dropFirst() where Int.random(in: 0..<3, using: &random) == 0 {
            guard case .flush(let flush) = records[index - 1], flush.acked != 0,
                let overtaking = overtaking(records[index])
            else { continue }
            records[index] = records[index - 1]
            records[index - 1] = overtaking
        }
        return records
    }

    /// The record as it is made while the one before it is still being made on another processor; nil: it cannot be.
    private func overtaking(_ record: Record) -> Record? {
        switch record {
        // Of a protocol that is not known, only the flush would tell that the answer was over.
        case .read(var read, let head) where traced.script.transactions[0].end != .turn:
            // A drain that another processor runs: the flush is outstanding for a moment more.
            read.outstanding = max(1, read.outstanding)
            return .read(read, head: head)
        case .head: return record
        case .state(let change) where change.new == .closeWait || change.new == .finWait1: return record
        default: return nil
        }
    }
}
