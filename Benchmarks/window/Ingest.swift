// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceModel

/// Records of a thousand keep-alive connections, each answering with one flush, or with a chunked stream of several.
private struct SyntheticLoad {
    static let connections = 1000
    private let flushes: Int
    private let request = Array("GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".utf8)
    private let response: [UInt8]
    private var responseBytes: UInt32 { UInt32(response.count + 100) }
    private var read = RequestRead()
    private var sent = SentHead()
    private var flush = FlushMarks()
    private var sequence: UInt32 = 0
    private var now: Int64 = 1_000_000_000
    private var noise: Int64 = 1

    init(flushes: Int) {
        self.flushes = flushes
        let framing = flushes == 1 ? "Content-Length: 100" : "Transfer-Encoding: chunked"
        response = Array("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\(framing)\r\n\r\n".utf8)
        read.bytes = Int64(request.count)
        read.isFirst = true
        flush.writes = 1
        flush.sndbufBytes = 2_626_560
        flush.srttMicroseconds = 90
    }

    /// The records that announce the connections.
    func announcements() -> [KernelEvent] {
        let server = Server(pid: 1, started: 1, comm: "server", executable: nil, cgroup: nil)
        return (1...Self.connections).map { cookie in
            let endpoint = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: UInt16(truncatingIfNeeded: cookie))
            let connection = Connection(cookie: UInt64(cookie), local: endpoint, remote: endpoint, established: 1)
            return .socketUsed(SocketUse(connection: connection, server: server, at: 1))
        }
    }

    /// One response on every connection, all of them at once: calls `take` for every record.
    mutating func round(_ take: (KernelEvent) -> Void) {
        let (request, response) = (request, response)
        request.withUnsafeBytes { requestHead in
            response.withUnsafeBytes { responseHead in
                read.head = requestHead
                sent.head = responseHead
                for number in 0..<flushes {
                    flush.tail = number + 1 == flushes ? 0x0a0d_0a0d_300a_0d00 : 0
                    for cookie in 1...Self.connections {
                        if number == 0 { begin(cookie, take) }
                        setFlush(cookie, first: number == 0)
                        withUnsafePointer(to: &flush) { take(.flushLeft($0)) }
                    }
                    sequence &+= responseBytes
                }
            }
        }
    }

    private mutating func begin(_ cookie: Int, _ take: (KernelEvent) -> Void) {
        read.socket = UInt64(cookie)
        read.readable = now
        read.at = now + 2_000
        withUnsafePointer(to: &read) { take(.requestRead($0)) }
        sent.socket = UInt64(cookie)
        sent.at = now + 3_000
        sent.sequence = sequence
        sent.callBytes = Int64(responseBytes)
        withUnsafePointer(to: &sent) { take(.headSent($0)) }
    }

    private mutating func setFlush(_ cookie: Int, first: Bool) {
        now += 10_000
        noise = (noise &* 25_214_903_917 &+ 11) & 0xffff
        flush.socket = UInt64(cookie)
        flush.isAfterRead = first
        flush.isHeadTold = first
        flush.firstEnter = now + 3_000
        flush.enter = now + 3_000
        flush.queued = now + 4_000 + noise >> 4
        flush.transmitted = flush.queued + 1_000
        flush.exit = flush.queued + 2_000
        flush.sendTime = 4_000
        flush.acked = flush.exit + noise
        flush.at = flush.acked
        flush.sequenceStart = sequence
        flush.sequenceEnd = sequence &+ responseBytes
    }
}

/// Records per second of one core through the correlator, with a distribution for each stage behind it.
///
/// The records are values already: what decoding costs is not in it. What making them costs is measured and taken off.
func measureIngest(seconds: Double, flushes: Int) -> String {
    var load = SyntheticLoad(flushes: flushes)
    var correlator = Correlator()
    let all = Stage.allCases
    // Not captured variables: each access to such a one is checked at run time.
    let stages = UnsafeMutablePointer<Distribution>.allocate(capacity: all.count)
    stages.initialize(repeating: Distribution(), count: all.count)
    defer { stages.deinitialize(count: all.count).deallocate() }
    let ended = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    ended.initialize(to: 0)
    defer { ended.deallocate() }
    let tell: (borrowing Actions) -> Void = { actions in
        for index in actions.ended.indices {
            ended.pointee += 1
            for stage in all { stages[stage.index].add(actions.ended[index].timeline[stage] ?? 0) }
        }
    }
    for event in load.announcements() { correlator.take(event, tell) }
    let limit = Int64(seconds * 1e9)
    let taken = time(for: limit) { load.round { correlator.take($0, tell) } }
    var sum: UInt64 = 0
    let made = time(for: limit / 10) {
        load.round { event in if case .flushLeft(let flush) = event { sum &+= flush.pointee.socket } }
    }
    let records = Double((2 + flushes) * SyntheticLoad.connections)
    return "{\"records\":\(Int(records) * taken.rounds),\"flushes\":\(flushes),\"ended\":\(ended.pointee),"
        + "\"ns_per_record\":\(taken.perRound / records),"
        + "\"making_ns_per_record\":\(made.perRound / records),\"checksum\":\(sum & 1)}"
}

/// Repeats `work` for `nanoseconds` of this thread's CPU time.
private func time(for nanoseconds: Int64, _ work: () -> Void) -> (rounds: Int, perRound: Double) {
    let begin = readClock(CLOCK_THREAD_CPUTIME_ID)
    var rounds = 0
    var elapsed: Int64 = 0
    while elapsed < nanoseconds {
        work()
        rounds += 1
        elapsed = readClock(CLOCK_THREAD_CPUTIME_ID) - begin
    }
    return (rounds, Double(elapsed) / Double(rounds))
}
