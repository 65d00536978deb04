// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel

/// A connection from its begin to its end: a client, a server and TCP between them take their steps in any order that they
/// can come in, and the kernel side tells what it sees.
package struct TracedConnection {
    /// How a connection ends.
    package enum Closing: CaseIterable, Sendable {
        case serverCloses, clientCloses, clientResets, serverResets, timesOut, staysOpen
    }
    /// A read of the server: which bytes of the requests, and its record, if it was told.
    package struct Read {
        package let bytes: Range<Int>
        package let record: Int?
    }

    package let script: Script
    package let firstSequence: UInt32
    package internal(set) var kernel: KernelSocket
    package internal(set) var reads: [Read] = []
    package let closing: Closing
    /// Where each answer begins on the wire, and where the last one ends.
    package let answers: [Int]
    /// The same for the requests.
    let requests: [Int]

    let isWild: Bool
    var random: SeededGenerator
    var now: Nanoseconds
    // The client.
    var arrived = 0
    var delivered = 0
    /// What the client surely had when it sent its newest bytes.
    var mustAcknowledge = 0
    // The server.
    var isAccepted = false
    var read = 0
    var isBlocking: Bool
    var readsAhead: Bool
    var turn = 0
    var send = 0
    /// Of the send in progress, what earlier calls took.
    var offset = 0
    // TCP.
    var written = 0
    var sent = 0
    var acknowledged = 0
    /// Acknowledged before tracing began.
    var untracedBytes = 0

    /// What `seed` makes; `index` is part of its paths, `server` its process. `closing`: how it ends, else by chance.
    /// `isWild`: see `Script`; also what is read ends anywhere, and cannot always be looked at.
    package init(seed: UInt64, index: Int, server: Server, closing: Closing? = nil, isWild: Bool = false) {
        random = SeededGenerator(state: seed)
        script = Script(&random, connection: index, isWild: isWild)
        self.isWild = isWild
        now = 1_000_000 + Nanoseconds.random(in: 0..<1_000_000, using: &random)
        let endpoint = Endpoint(ipv4: true, bytes: (UInt64(index), 0), port: 80)
        let connection = Connection(
            cookie: UInt64(index) + 1, local: endpoint, remote: endpoint, established: now)
        firstSequence =
            [
                UInt32.max - UInt32.random(in: 0..<3000, using: &random), UInt32.random(in: 0 ... .max, using: &random),
                UInt32(Int32.max) - 500,
            ][Int.random(in: 0..<3, using: &random)]
        kernel = KernelSocket(
            connection: connection, server: server, firstSequence: firstSequence,
            clientSequence: UInt32.random(in: 0 ... .max, using: &random))
        kernel.isLoopback = Bool.random(using: &random)
        kernel.sndbuf = [3000, 20_000, 1 << 20][Int.random(in: 0..<3, using: &random)]
        let end = Closing.allCases[Int.random(in: 0..<Closing.allCases.count, using: &random)]
        self.closing = closing ?? end
        isBlocking = Bool.random(using: &random)
        readsAhead = Int.random(in: 0..<3, using: &random) == 0
        answers = script.transactions.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.responseBytes) }
        requests = script.transactions.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.request.count) }
        run()
    }

    /// When nothing more happens.
    package var end: Nanoseconds { now }

    /// Bytes that the server handed over.
    package var writtenBytes: Int { kernel.isFollowed ? written - untracedBytes : 0 }
    /// Tracing began before its end.
    package var isTraced: Bool { kernel.isFollowed }
    /// Bytes that the server read.
    package var readBytes: Int { read }

    func sequence(_ position: Int) -> UInt32 { firstSequence &+ UInt32(truncatingIfNeeded: position) }

    mutating func chance(_ one: Int, in all: Int) -> Bool { Int.random(in: 0..<all, using: &random) < one }

    mutating func pass() { now += Nanoseconds.random(in: 1...200_000, using: &random) }

    private mutating func run() {
        // Some end anywhere; the others when all is said.
        let adoption = isWild && chance(1, in: 3) ? Int.random(in: 1...60, using: &random) : 0
        kernel.isFollowed = adoption == 0
        var step = 0
        var stepsLeft = chance(1, in: 3) ? Int.random(in: 1...120, using: &random) : 20_000
        while stepsLeft > 0 {
            let steps = enabledSteps()
            guard !steps.isEmpty else { break }
            pass()
            take(steps[Int.random(in: 0..<steps.count, using: &random)])
            step += 1
            if step >= adoption, !kernel.isFollowed, !kernel.isCalling {
                untracedBytes = acknowledged
                kernel.adopt(at: now)
            }
            stepsLeft -= 1
        }
        if kernel.isFollowed { close() }
    }

    enum Step { case request, accept, read, beginCall, proceed, transmit, retransmit, deliver, acknowledge, look }

    func enabledSteps() -> [Step] {
        var steps: [Step] = []
        if arrived < mayArrive { steps.append(.request) }
        if !isAccepted { steps.append(.accept) }
        if isAccepted, read < arrived, !kernel.isCalling, wantsRead { steps.append(.read) }
        if isAccepted, canSend, !kernel.isCalling { steps += [.beginCall, .beginCall] }
        if kernel.isCalling { steps += [.proceed, .proceed, .proceed] }
        if sent < written { steps.append(.transmit) }
        if acknowledged < sent, steps.count > 1 { steps.append(.retransmit) }
        if delivered < sent { steps.append(.deliver) }
        if acknowledged < delivered { steps.append(.acknowledge) }
        return steps
    }

    mutating func take(_ step: Step) {
        switch step {
        case .request: sendRequest()
        case .accept: isAccepted = true
        case .read: readRequest()
        case .beginCall: beginCall()
        case .proceed: proceed()
        case .transmit: transmit(upTo: Int.random(in: sent + 1...written, using: &random))
        case .retransmit:
            let end = Int.random(in: acknowledged + 1...sent, using: &random)
            kernel.transmit(to: sequence(end), handedOver: now - 10, at: now)
        case .deliver: delivered = Int.random(in: delivered + 1...sent, using: &random)
        case .acknowledge:
            // Sometimes an old one, overtaken on its way.
            let ack = chance(1, in: 8) ? acknowledged : Int.random(in: acknowledged + 1...delivered, using: &random)
            arrive(ack: max(0, ack - (chance(1, in: 20) ? 1 : 0)), hasPayload: false)
        case .look: kernel.look(at: now)
        }
    }
}
