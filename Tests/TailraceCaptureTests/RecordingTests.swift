// SPDX-License-Identifier: MIT
import CProbes
import Glibc
import TailraceModel
import Testing

@testable import TailraceCapture

@Suite("A recording")
struct RecordingTests {
    private let directory: ScratchDirectory

    init() throws { directory = try ScratchDirectory() }

    @Test("gives back every record, byte for byte, in order, and says that it ends cleanly")
    func roundTrip() throws {
        let sample = try RecordingSample()
        let back = ReadBack(directory.write(sample.bytes))
        #expect(back.records == sample.records)
        #expect(back.account.isWhole && back.account.ending == .clean)
        #expect(sample.blocks.last.map { $0.offset + Int($0.header.length) } == sample.bytes.count)
    }

    @Test("replays with the names that were recorded, and asks nothing of this machine")
    func replay() throws {
        let sample = try RecordingSample()
        let replayed = Replayed(directory.write(sample.bytes))
        #expect(replayed.error == nil && replayed.account.isWhole)
        #expect(replayed.events.count == sample.records.count)
        #expect(replayed.events.first == "socket 1 42 server /srv/server /a.slice")
        #expect(replayed.events.filter { $0.hasPrefix("socket") }.allSatisfy { $0.hasSuffix("/srv/server /a.slice") })
        #expect(replayed.events.last == "state 4 Optional(TailraceModel.StateChange.State.closed)")
        #expect(replayed.loss.made == 32 && replayed.loss.delivered == 32 && !replayed.loss.isAny)
    }

    @Test("keeps the names of thousands of processes that were met before its first record")
    func manyProcesses() throws {
        let writer = try RecordingWriter(
            path: directory.file("many"), description: RecordingDescription(), longest: 1 << 20,
            redactor: WholePayload(), say: { _ in })
        writer.found(Server(pid: 42, started: 77, comm: "server", executable: "/srv/server", cgroup: "/a.slice"))
        for pid in 1000..<5000 as Range<Int32> {
            writer.found(Server(pid: pid, started: 1, comm: "other", executable: "/srv/other", cgroup: "/b.slice"))
        }
        var maker = WireMaker(seed: 3)
        for record in maker.connection(1, requests: 1) { record.withUnsafeBytes { writer.take($0) } }
        writer.finish(at: 1, anchor: ClockAnchor(monotonic: 1, wall: 2), loss: Loss())
        let replayed = Replayed(directory.file("many"))
        #expect(replayed.error == nil && replayed.events.first == "socket 1 42 server /srv/server /a.slice")
    }

    @Test("says of itself what it was told")
    func description() throws {
        let source = try RecordingSource(path: directory.write(try RecordingSample().bytes))
        #expect(source.description.version == "0.1.0" && source.description.host == "host")
        #expect(source.description.kernel == "6.18" && source.description.backend == "tracepoint")
        #expect(source.description.target.ports == [8080] && source.description.jiffy == RecordingSample.jiffy)
        #expect(source.anchor == ClockAnchor(monotonic: 5_000_000_000, wall: 1_800_000_000_000_000_000))
        while !source.isAtEnd { try source.drain { _ in } }
        #expect(source.anchor.wall == 2, "clocks are sampled anew")
    }

    @Test("what a process was called then, where this machine has another one with its pid")
    func otherMachine() throws {
        var lookup = ProcessLookup(isRecorded: true)
        let server = lookup.server(pid: getpid(), started: 1, comm: "x", cgroup: 5)
        #expect(server.executable == nil && server.cgroup == "<5>")
        lookup.add(Server(pid: getpid(), started: 1, comm: "x", executable: "/there", cgroup: "/c"))
        #expect(lookup.server(pid: getpid(), started: 1, comm: "x", cgroup: 5).executable == "/there")
        // So many others that those of before are forgotten: twice the capacity.
        for pid in 1...Int32(8192) {
            lookup.add(Server(pid: 1_000_000 + pid, started: 1, comm: "x", executable: nil, cgroup: nil))
        }
        #expect(lookup.server(pid: getpid(), started: 1, comm: "x", cgroup: 5).executable == nil)
    }

    @Test("what is no record is counted, and not written")
    func malformed() throws {
        let path = directory.file("m")
        let writer = try RecordingWriter(
            path: path, description: RecordingDescription(), longest: 1 << 20, redactor: WholePayload(), say: { _ in })
        var maker = WireMaker(seed: 3)
        let whole = maker.read(7, "GET / HTTP/1.1\r\n\r\n")
        var liar = whole
        liar[MemoryLayout<ev_read>.offset(of: \.head_bytes) ?? 0] = 255
        var small = whole
        (small[18], small[19]) = (23, 0)
        for record in [liar, small, Array(whole.prefix(23)), Array(whole.dropLast()), []] {
            record.withUnsafeBytes { writer.take($0) }
        }
        whole.withUnsafeBytes { writer.take($0) }
        writer.finish(at: 1, anchor: ClockAnchor(monotonic: 1, wall: 1), loss: Loss())
        #expect(writer.summary.malformed == 5 && writer.summary.records == 1)
        #expect(ReadBack(path).records == [kept(whole)])
        #expect(Replayed(path).loss.undecodable == 5)
    }

    @Test("keeps every counter of the loss")
    func counters() throws {
        var counts = RecordedCounts()
        (counts.loss.made, counts.loss.delivered, counts.loss.missed, counts.loss.untracked) = (1, 2, 3, 4)
        (counts.loss.adopted, counts.loss.untrackedMPTCP, counts.loss.headsUnread, counts.loss.merged) = (5, 6, 7, 8)
        for (number, kind) in ["sockets", "reads", "heads", "flushes", "states"].enumerated() {
            counts.loss.lost[kind] = UInt64(10 + number)
        }
        (counts.dropped, counts.malformed) = (20, 21)
        #expect(counts.fields.withUnsafeBytes { RecordedCounts(fields: $0) } == counts)
        // Whoever adds a counter adds it to RecordedCounts, or says here who counts it when a recording is read.
        let counted = Set(
            Mirror(reflecting: counts.loss).children.compactMap { child in
                (child.value as? UInt64).map { $0 > 0 ? "kept" : child.label ?? "" }
            })
        #expect(counted == ["kept", "undecodable", "unrecorded"])
    }

    @Test("names where payload is: a redactor sees all of it, and nothing else")
    func redaction() throws {
        struct Blanks: PayloadRedactor {
            func blank(_ bytes: UnsafeMutableRawBufferPointer) { for index in bytes.indices { bytes[index] = 0x2e } }
            mutating func redactRequest(_ bytes: UnsafeMutableRawBufferPointer, of read: RequestRead) { blank(bytes) }
            mutating func redactResponse(_ bytes: UnsafeMutableRawBufferPointer, of sent: SentHead) { blank(bytes) }
            func redactTail(_ tail: UInt64) -> UInt64 { 0x2e2e_2e2e_2e2e_2e2e }
            mutating func forget(socket: UInt64) {}
        }
        let path = directory.file("r")
        let writer = try RecordingWriter(
            path: path, description: RecordingDescription(), longest: 1 << 20, redactor: Blanks(), say: { _ in })
        var maker = WireMaker(seed: 3)
        let records = maker.connection(7, requests: 3)
        for record in records { record.withUnsafeBytes { writer.take($0) } }
        writer.finish(at: 1, anchor: ClockAnchor(monotonic: 1, wall: 1), loss: Loss())
        let back = ReadBack(path).records
        #expect(back.map(\.count) == records.map { kept($0).count })
        for (record, back) in zip(records.map(kept), back) {
            let kind = record[16]
            let payload: Range<Int> =
                switch UInt32(kind) {
                case EV_READ.rawValue: MemoryLayout<ev_read>.size..<record.count
                case EV_HEAD.rawValue: MemoryLayout<ev_head>.size..<record.count
                case EV_FLUSH.rawValue: record.count - 8..<record.count
                default: 0..<0
                }
            #expect(back[payload].allSatisfy { $0 == 0x2e })
            #expect(back[..<payload.lowerBound] == record[..<payload.lowerBound])
        }
    }
}

@Suite("The file of a recording")
struct RecordingFileTests {
    private let directory: ScratchDirectory

    init() throws { directory = try ScratchDirectory() }

    private func writer(_ path: String, longest: UInt64 = 1 << 20, say: @escaping (String) -> Void = { _ in }) throws
        -> RecordingWriter<WholePayload>
    {
        try RecordingWriter(
            path: path, description: RecordingDescription(), longest: longest, redactor: WholePayload(), say: say)
    }

    @Test("what is there is kept as .old, and only the owner may read the new one")
    func existing() throws {
        let path = directory.write([1, 2, 3], to: "a")
        chmod(path, 0o666)
        try writer(path).finish(at: 1, anchor: ClockAnchor(monotonic: 1, wall: 1), loss: Loss())
        #expect(content(of: path + ".old") == [1, 2, 3])
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(try RecordingSource(path: path).description.wireVersion == EV_WIRE_VERSION)
    }

    @Test("a link, a directory and a pipe are refused, in one sentence, and nothing is changed")
    func refused() throws {
        let target = directory.write([1, 2, 3], to: "target")
        let (link, pipe, dangling) = (directory.file("link"), directory.file("pipe"), directory.file("dangling"))
        #expect(symlink(target, link) == 0 && mkfifo(pipe, 0o600) == 0)
        #expect(symlink(directory.file("nowhere"), dangling) == 0)
        for path in [link, pipe, dangling, directory.path, directory.file("no/such/directory")] {
            let error = #expect(throws: CaptureError.self) { _ = try writer(path) }
            #expect(error?.kind == .failed && error?.description.contains(path) == true)
        }
        #expect(content(of: target) == [1, 2, 3])
    }

    @Test("never grows beyond its bound, always has its end, and every record is written or counted", arguments: 0..<60)
    func bound(step: Int) throws {
        let longest = UInt64(4096 + 400 + step * 1500)
        let path = directory.file("b")
        var said: [String] = []
        let writer = try writer(path, longest: longest) { said.append($0) }
        var maker = WireMaker(seed: UInt64(step))
        var offered: UInt64 = 0
        for connection in 0..<400 {
            for record in maker.connection(UInt64(connection), requests: 3) {
                record.withUnsafeBytes { writer.take($0) }
                offered += 1
            }
            let now = Nanoseconds(connection) * 300_000_000
            writer.tick(at: now, anchor: ClockAnchor(monotonic: now, wall: now), loss: { Loss() })
        }
        writer.finish(at: 1 << 40, anchor: ClockAnchor(monotonic: 1, wall: 1), loss: Loss())
        let summary = writer.summary
        #expect(summary.records + summary.dropped == offered)
        #expect(UInt64(content(of: path).count) <= longest)
        let replayed = Replayed(path)
        #expect(replayed.account.ending == .clean)
        #expect(replayed.account.records == summary.records && replayed.account.dropped == summary.dropped)
        #expect(replayed.loss.unrecorded == summary.dropped)
        #expect(said.count == (summary.dropped > 0 ? 1 : 0), "\(said)")
    }
}
