// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceModel

/// A connection in a few words: what the kernel would tell, at given microseconds, and what became of it.
final class Exchange {
    private var correlator: Correlator
    private(set) var responses: [Response] = []
    private(set) var flushes: [Flush] = []
    private(set) var settled: [Response] = []
    private(set) var samples: [ServerSample] = []
    private let cookie: UInt64
    private var sequence: UInt32
    private var readSequence: UInt32 = .max - 10
    /// Records were lost before the next event.
    private var isAfterLoss = false

    init(cookie: UInt64 = 7, firstSequence: UInt32 = 1000, sharing correlator: Correlator? = nil) {
        self.cookie = cookie
        sequence = firstSequence
        self.correlator = correlator ?? Correlator(tellsFlushes: true)
        let endpoint = Endpoint(ipv4: true, bytes: (0, 0), port: 80)
        let connection = Connection(cookie: cookie, local: endpoint, remote: endpoint, established: 0)
        let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)
        take(.socketUsed(SocketUse(connection: connection, server: server, at: 1)))
    }

    private func take(_ event: KernelEvent) {
        correlator.take(event) { actions in
            responses += actions.ended
            settled += actions.settled
            samples += actions.samples
            if let flush = actions.flush { flushes.append(flush) }
        }
    }

    /// The server reads `text`, which became readable at `readable` microseconds.
    func read(_ text: String, readable: Int64, at: Int64, isFirst: Bool = true, outstanding: UInt32 = 0) {
        var bytes = Array(text.utf8)
        bytes.withUnsafeMutableBytes { bytes in
            var read = RequestRead()
            read.socket = cookie
            read.readable = readable * 1000
            read.at = at * 1000
            read.bytes = Int64(bytes.count)
            readSequence = readSequence &+ UInt32(bytes.count)
            read.sequenceEnd = readSequence
            read.isFirst = isFirst
            read.outstanding = outstanding
            read.head = HeadBytes(bytes)
            read.isAfterLoss = takeLoss()
            withUnsafePointer(to: &read) { take(.requestRead($0)) }
        }
    }

    /// The server reads `count` bytes, and nothing is told of it.
    func readUntold(bytes count: UInt32) { readSequence = readSequence &+ count }

    /// Marks of a flush, microseconds; 0: not reached.
    struct Marks {
        var enter: Int64
        var exit: Int64
        var queued: Int64 = 0
        var transmitted: Int64 = 0
        var acked: Int64 = 0
        var blocked: Int64 = 0
    }

    /// The server sends `text`, or `bytes` that nobody looks at.
    func flush(_ text: String = "", bytes: Int? = nil, _ marks: Marks, change: (inout FlushMarks) -> Void = { _ in }) {
        let content = Array(text.utf8)
        content.withUnsafeBytes { head in
            var flush = FlushMarks()
            flush.socket = cookie
            flush.at = max(marks.acked, marks.exit) * 1000
            flush.firstEnter = marks.enter * 1000
            flush.enter = marks.enter * 1000
            flush.exit = marks.exit * 1000
            flush.queued = marks.queued * 1000
            flush.transmitted = marks.transmitted * 1000
            flush.acked = marks.acked * 1000
            flush.blockedTime = marks.blocked * 1000
            flush.sendTime = (marks.exit - marks.enter) * 1000
            flush.sequenceStart = sequence
            flush.sequenceEnd = sequence &+ UInt32(bytes ?? content.count)
            flush.writes = 1
            flush.isLoopback = true
            flush.isHeadTold = !head.isEmpty
            flush.tail =
                content.suffix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
                << UInt64(8 * (8 - min(8, content.count)))
            change(&flush)
            if head.isEmpty { flush.isAfterLoss = takeLoss() }
            var sent = SentHead()
            sent.socket = cookie
            sent.at = flush.firstEnter
            sent.sequence = sequence
            sent.callBytes = flush.bytes
            sent.head = head
            if !head.isEmpty { sent.isAfterLoss = takeLoss() }
            if !head.isEmpty { withUnsafePointer(to: &sent) { take(.headSent($0)) } }
            sequence = flush.sequenceEnd
            withUnsafePointer(to: &flush) { take(.flushLeft($0)) }
        }
    }

    /// A flush that takes a microsecond a stage, begins at `at` and is acknowledged 4 us later.
    func quickFlush(_ text: String, at: Int64) {
        flush(text, Marks(enter: at, exit: at + 1, queued: at + 1, transmitted: at + 2, acked: at + 4))
    }

    /// The same of one call that begins with a long `head`, which is told in pieces.
    func longFlush(_ head: String, _ body: String, at: Int64) {
        let content = Array((head + body).utf8)
        for start in stride(from: 0, to: head.utf8.count, by: 1024) {
            let end = min(start + 1024, content.count)
            content[start..<end].withUnsafeBytes { piece in
                var sent = SentHead()
                sent.socket = cookie
                sent.at = at * 1000
                sent.sequence = sequence &+ UInt32(start)
                sent.callBytes = Int64(end < head.utf8.count ? piece.count : content.count - start)
                sent.head = piece
                withUnsafePointer(to: &sent) { take(.headSent($0)) }
            }
        }
        let marks = Marks(enter: at, exit: at + 1, queued: at + 1, transmitted: at + 2, acked: at + 4)
        flush(bytes: content.count, marks) {
            $0.isHeadTold = true
            $0.tail = content.suffix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// `count` bytes of the flush records are lost on the way.
    func lose(bytes count: UInt32) { sequence = sequence &+ count }

    /// A whole response of `count` bytes, or any of its records, is lost, and the kernel side says so with the next one.
    func loseRecords(bytes count: UInt32 = 0) {
        sequence = sequence &+ count
        isAfterLoss = true
    }

    /// All sockets are looked at, and this one is met or not.
    func look(from begin: Int64, to end: Int64, meets: Bool) {
        if meets {
            var sample = SocketSample()
            sample.socket = cookie
            sample.at = begin * 1000 + 1
            withUnsafePointer(to: &sample) { take(.socketSampled($0)) }
        }
        take(.roundEnded(SamplingRound(begin: begin * 1000, end: end * 1000)))
    }

    /// Somebody tells of tasks.
    func told(_ event: TaskEvent) { take(.taskTold(event)) }

    /// Nothing more comes.
    func finish() { correlator.finish { actions in settled += actions.settled } }

    private func takeLoss() -> Bool {
        defer { isAfterLoss = false }
        return isAfterLoss
    }

    func state(_ new: StateChange.State, from old: StateChange.State, at: Int64, error: Int32 = 0, unacked: UInt32 = 0)
    {
        take(
            .stateChanged(
                StateChange(socket: cookie, at: at * 1000, old: old, new: new, error: error, unackedBytes: unacked)))
    }

    func open(at: Int64) -> [Response] { correlator.open(at: at * 1000) }
}

extension Response {
    /// Stage times in microseconds, without those that are 0 or unknown.
    var microseconds: [Stage: Int64] {
        var times: [Stage: Int64] = [:]
        for stage in Stage.allCases { if let time = timeline[stage], time != 0 { times[stage] = time / 1000 } }
        return times
    }
}
