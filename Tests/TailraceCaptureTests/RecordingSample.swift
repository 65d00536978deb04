// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

@testable import TailraceCapture

/// A small recording, and what a reader that is right makes of it.
struct RecordingSample {
    let bytes: [UInt8]
    /// As they were given, without unused room.
    let records: [[UInt8]]
    /// What was told of tasks, and how many records came before it.
    let tasks: [(place: Int, event: TaskEvent)]
    /// Where each block begins, its header, and the records before and behind it.
    let blocks: [(offset: Int, header: BlockHeader, records: Range<Int>)]
    static let jiffy: Int64 = 4_000_000

    /// `blocks` blocks with records, of a few connections each; `tellsTasks`: behind each record something of tasks.
    init(seed: UInt64 = 1, blocks count: Int = 4, isClean: Bool = true, tellsTasks: Bool = false) throws {
        let directory = try ScratchDirectory()
        var maker = WireMaker(seed: seed)
        var given: [[UInt8]] = []
        var description = RecordingDescription()
        (description.version, description.host, description.kernel) = ("0.1.0", "host", "6.18")
        description.backend = "tracepoint"
        description.target.ports = [8080]
        description.jiffy = Self.jiffy
        description.anchor = ClockAnchor(monotonic: 5_000_000_000, wall: 1_800_000_000_000_000_000)
        let writer = try RecordingWriter(
            path: directory.file("a"), description: description, longest: 1 << 20, redactor: WholePayload(),
            say: { _ in })
        var loss = Loss()
        var tasks: [(Int, TaskEvent)] = []
        for block in 0..<count {
            for record in maker.connection(UInt64(block + 1), requests: 2) {
                record.withUnsafeBytes { writer.take($0) }
                given.append(kept(record))
                guard tellsTasks else { continue }
                tasks.append((given.count, Self.task(given.count, maker.now)))
                writer.take(tasks[tasks.count - 1].1)
            }
            if block == 0 {
                writer.found(
                    Server(pid: 42, started: 77, comm: "server", executable: "/srv/server", cgroup: "/a.slice"))
            }
            loss.made += 8
            loss.delivered += 8
            let now = Nanoseconds(maker.now)
            let anchor = ClockAnchor(monotonic: now, wall: now + 1_799_999_995_000_000_000 + Int64(block))
            writer.tick(at: 6_000_000_000 * Int64(block + 1), anchor: anchor, loss: { loss })
        }
        if isClean {
            writer.finish(at: Nanoseconds(maker.now) + 1000, anchor: ClockAnchor(monotonic: 1, wall: 2), loss: loss)
        }
        bytes = content(of: directory.file("a"))
        records = given
        self.tasks = tasks
        blocks = RecordingSample.blocks(of: bytes)
    }

    private static func task(_ number: Int, _ now: UInt64) -> TaskEvent {
        switch number % 3 {
        case 0:
            .counted(
                TaskReading(
                    pid: 42, started: 77, at: Nanoseconds(now), provider: "go", open: number % 2 == 0 ? number : nil,
                    growing: number % 5 == 0 ? "chan send" : nil))
        case 1: .serving(ServingTask(connection: UInt64(number % 4 + 1), pid: 42, task: UInt64(1000 + number)))
        default:
            .leftBehind(
                TasksLeft(connection: UInt64(number % 4 + 1), at: Nanoseconds(now), count: number % 4 == 0 ? nil : 1))
        }
    }

    /// By the lengths in the headers.
    static func blocks(of bytes: [UInt8]) -> [(offset: Int, header: BlockHeader, records: Range<Int>)] {
        var (offset, count) = (0, 0)
        var blocks: [(Int, BlockHeader, Range<Int>)] = []
        while offset < bytes.count, let header = bytes[offset...].withUnsafeBytes({ BlockHeader($0) }) {
            let isRecords = header.kind == RecordingFormat.Kind.records.rawValue
            let next = isRecords ? count + Int(header.count) : count
            blocks.append((offset, header, count..<next))
            (offset, count) = (offset + Int(header.length), next)
        }
        return blocks
    }
}

/// Everything that can be read of a file, as a reader of blocks sees it.
struct ReadBack {
    var records: [[UInt8]] = []
    var account = RecordingAccount()
    var error: CaptureError?

    init(_ path: String) {
        do throws(CaptureError) {
            var reader = try RecordingReader(path: path)
            guard let inflater = Inflater() else { return }
            while let block = try reader.next() {
                guard block.header.kind == RecordingFormat.Kind.records.rawValue else { continue }
                var inflated = [UInt8](repeating: 0, count: Int(block.header.inflatedLength))
                let isWhole = inflated.withUnsafeMutableBytes { inflater.inflate(block.payload, filling: $0) }
                guard isWhole else { continue }
                inflated.withUnsafeBytes { bytes in _ = eachRecord(of: bytes) { records.append(Array($0)) } }
            }
            account = reader.account
        } catch {
            self.error = error
        }
    }
}

/// What a replay of a file gives, in words, so that two can be compared.
struct Replayed {
    var events: [String] = []
    var account = RecordingAccount()
    var loss = Loss()
    var error: CaptureError?

    init() {}

    init(_ path: String) {
        do throws(CaptureError) {
            let source = try RecordingSource(path: path)
            var told: [String] = []
            while !source.isAtEnd { try source.drain { told.append(Replayed.words(of: $0)) } }
            events = told
            account = source.account
            loss = source.loss()
        } catch {
            self.error = error
        }
    }

    static func words(of event: KernelEvent) -> String {
        switch event {
        case .socketUsed(let use):
            "socket \(use.connection.cookie) \(use.server.pid) \(use.server.comm) \(use.server.executable ?? "-") "
                + "\(use.server.cgroup ?? "-")"
        case .requestRead(let read): "read \(read.pointee.socket) \(read.pointee.at) \(text(read.pointee.head))"
        case .headSent(let sent): "head \(sent.pointee.socket) \(text(sent.pointee.head))"
        case .flushLeft(let flush): "flush \(flush.pointee.socket) \(flush.pointee.bytes) \(flush.pointee.acked)"
        case .stateChanged(let change): "state \(change.socket) \(String(describing: change.new))"
        case .socketSampled(let sample): "sample \(sample.pointee.socket)"
        case .connectionWaits(let waiting): "waits \(waiting.connection.cookie) \(waiting.since)"
        case .roundEnded(let round): "round \(round.begin) \(round.isComplete)"
        case .taskTold(let told): "task \(told)"
        }
    }

    private static func text(_ bytes: HeadBytes) -> String { String(decoding: bytes, as: UTF8.self) }
}

/// Blocks made by hand, with checksums that are right.
struct BlockMaker {
    var header = BlockHeader()

    init(like header: BlockHeader) { self.header = header }

    func bytes(_ payload: [UInt8], _ change: (inout BlockHeader) -> Void = { _ in }) -> [UInt8] {
        var header = header
        header.length = UInt32(RecordingFormat.headerBytes + payload.count)
        header.payloadChecksum = payload.withUnsafeBytes { checksum($0) }
        change(&header)
        var block = [UInt8](repeating: 0, count: RecordingFormat.headerBytes)
        block.withUnsafeMutableBytes { header.store(in: $0) }
        return block + payload
    }

    static func deflated(_ bytes: [UInt8]) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: bytes.count + 1024)
        let count = bytes.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { Deflater()?.deflate(input, into: $0) }
        }
        return Array(output[..<(count ?? 0)])
    }
}
