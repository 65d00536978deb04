// SPDX-License-Identifier: MIT
import Glibc
import SeededRandom
import TailraceAnalysis
import TailraceModel
import Testing

@testable import TailraceCapture

@Suite("A flight recording")
struct FlightTests {
    /// Segments of a few records each.
    private var small: FlightLimits {
        var limits = FlightLimits()
        limits.segment = 200_000
        limits.keptFree = 0
        return limits
    }

    @Test("a name whose time nobody can count is that of another file, and a file's time is what can be counted")
    func times() {
        #expect(FlightName("20261124T031200Z-00000042.trc")?.begin == 1_795_489_920)
        for stamp in ["99991231T235959Z", "16000101T000000Z", "19691231T235959Z", "22700101T000000Z"] {
            #expect(FlightName(stamp + "-00000001.trc") == nil)
        }
        for seconds in [Int64.min, -1, 0, 1_800_000_000, 1 << 40, .max] {
            #expect(!FlightName.clamped(seconds).multipliedReportingOverflow(by: 1_000_000_000).overflow)
        }
    }

    @Test("read as one tells what one recording tells, to the byte", arguments: 0..<30)
    func same(seed: Int) throws {
        var random = SeededGenerator(state: UInt64(seed))
        let flight = try FlightSample(small)
        let whole = flight.directory.file("whole")
        let writer = try RecordingWriter(
            path: whole, description: FlightSample.description, longest: 1 << 24, redactor: HeadRedactor(),
            say: { _ in })
        _ = flight.late.begin(writer, at: 0)
        for record in traffic(seed: UInt64(seed), connections: 6) {
            flight.take(record)
            let told = TaskEvent.counted(
                TaskReading(
                    pid: 42, started: 77, at: flight.now, provider: "go", open: Int.random(in: 0...9, using: &random)))
            if Int.random(in: 0..<5, using: &random) == 0 { flight.late.take(told) }
            if Int.random(in: 0..<3, using: &random) == 0 { flight.tick(at: time(of: record)) }
        }
        writer.finish(at: flight.now, anchor: FlightSample.anchor(flight.now), loss: FlightSample.loss(flight.taken))
        flight.finish()
        let one = try Telling(try RecordingSource(path: whole))
        let many = try Telling(try FlightReader(FlightCatalogue(directory: flight.flight)))
        #expect(flight.names.count > 3 && one.lines.count > 10)
        #expect(many.lines == one.lines)
        #expect(many.account.isWhole && many.account.records == flight.taken && many.loss == one.loss)
        #expect(flight.recorder.account.records == flight.taken && flight.recorder.account.dropped == 0)
    }

    @Test("each segment can be read by itself, and says what was open when it began", arguments: 0..<5)
    func alone(seed: Int) throws {
        let flight = try FlightSample(small)
        for record in traffic(seed: UInt64(seed), connections: 8) {
            flight.take(record)
            flight.tick(at: time(of: record))
        }
        flight.finish()
        for name in flight.names {
            let source = try RecordingSource(path: flight.flight + "/" + name)
            var known: Set<UInt64> = []
            while !source.isAtEnd {
                try source.drain { event in
                    if case .socketUsed(let use) = event { known.insert(use.connection.cookie) }
                    if case .flushLeft(let flush) = event { #expect(known.contains(flush.pointee.socket)) }
                }
            }
            #expect(source.account.isWhole)
            #expect(access(flight.flight + "/" + name, R_OK) == 0)
        }
    }

    @Test("never takes more of the disk than it may, at any moment, and counts what it takes away", arguments: 0..<6)
    func budget(seed: Int) throws {
        var limits = small
        (limits.bytes, limits.pinnedBytes) = (100_000 + UInt64(seed) * 30_000, 60_000)
        limits.segment = 3_000_000
        let flight = try FlightSample(limits)
        var most: UInt64 = 0
        flight.look = { [unowned flight] in
            let size = flight.size(flight.flight)
            most = max(most, size)
            #expect(size <= limits.bytes)
            #expect(flight.size(flight.flight + "/pinned") <= limits.pinnedBytes)
            #expect(flight.recorder.account.bytes <= limits.bytes)
        }
        var maker = WireMaker(seed: UInt64(seed))
        for turn in 1...150 {
            for record in maker.connection(UInt64(turn), requests: 40) { flight.take(record) }
            flight.tick(at: Nanoseconds(turn) * 1_000_000)
            if turn % 40 == 20 { flight.recorder.take(finding("a\(turn)", at: flight.now)) }
        }
        flight.finish()
        let account = flight.recorder.account
        #expect(most > limits.bytes / 2 && account.removed > 5 && account.dropped == 0, "\(most), \(account)")
        #expect(account.records == flight.taken && account.pins == 4)
        // What is there still is the newest, without a hole.
        let numbers = flight.names.compactMap { FlightName($0)?.number }
        #expect(numbers == Array((numbers.first ?? 0)...(numbers.last ?? 0)))
        let kept = try Telling(try FlightReader(FlightCatalogue(directory: flight.flight)))
        #expect(kept.account.gaps.count <= 4 && kept.account.ending == .clean)
    }

    private func finding(
        _ id: String, at: Nanoseconds, _ state: Finding.State = .opened, _ severity: Severity = .warning
    ) -> Finding {
        let server = Server(pid: 1, started: 1, comm: "s\"\n", executable: nil, cgroup: nil)
        var finding = Finding(
            id: id, anomaly: .slowConsumer, at: at, server: server,
            Symptom(severity, held: 1, evidence: [], summary: "one \"client\"\n\u{1b}[31m"))
        finding.state = state
        if state == .closed { finding.end = at }
        return finding
    }

    @Test("what was recorded around a finding outlives the rest, and something says whose it is")
    func pins() throws {
        var limits = small
        (limits.bytes, limits.pinnedBytes) = (120_000, 200_000)
        (limits.segment, limits.before, limits.after) = (2_000_000, 4_000_000, 3_000_000)
        let flight = try FlightSample(limits)
        var maker = WireMaker(seed: 1)
        for turn in 1...200 {
            for record in maker.connection(UInt64(turn), requests: 5) { flight.take(record) }
            flight.tick(at: Nanoseconds(turn) * 1_000_000)
            switch turn {
            case 40: flight.recorder.take(finding("notice", at: flight.now, .opened, .notice))
            case 50: flight.recorder.take(finding("it", at: flight.now))
            case 55: flight.recorder.take(finding("it", at: flight.now, .closed))
            default: break
            }
        }
        flight.finish()
        let (main, pinned) = (Set(flight.names), flight.pinned)
        #expect(main.isDisjoint(with: pinned) && flight.recorder.account.pins == 1)
        let begins = try pinned.map {
            try RecordingSource(path: flight.flight + "/pinned/" + $0).description.anchor.monotonic
        }
        // From 4 before it opened to 3 after it closed, and whole segments.
        #expect(begins.first.map { $0 <= 46_000_000 && $0 >= 43_000_000 } == true, "\(begins)")
        #expect(begins.last.map { $0 <= 58_000_000 && $0 >= 55_000_000 } == true, "\(begins)")
        let notes = listDirectory(flight.flight + "/pinned").filter { $0.hasSuffix(".json") }
        #expect(notes.count == 1)
        let text = String(decoding: content(of: flight.flight + "/pinned/" + (notes.first ?? "")), as: UTF8.self)
        #expect(text.contains("\"anomaly\":\"slow-consumer\"") && text.contains("\"state\":\"closed\""))
        #expect(text.contains(pinned.first ?? "-") && text.contains(pinned.last ?? "-") && !text.contains("\u{1b}"))
        #expect(text.split(separator: "\n").count == 1)
        // Both are read: what is pinned, then a gap, whose records are known, then the rest.
        let all = try Telling(try FlightReader(FlightCatalogue(directory: flight.flight)))
        #expect(all.account.gaps.count == 1 && all.account.gaps.first?.records.map { $0 > 0 } == true)
        let before = try before(pinned.first, flight)
        #expect(all.account.records + all.loss.unrecorded + before == flight.taken)
    }

    /// Records that came before a segment.
    private func before(_ name: String?, _ flight: FlightSample) throws -> UInt64 {
        try name.flatMap {
            try RecordingSource(path: flight.flight + "/pinned/" + $0).description.segment?.before
        } ?? 0
    }

    @Test("a finding that does not end keeps no more than half of the room, and no longer than it may")
    func endless() throws {
        var limits = small
        (limits.bytes, limits.pinnedBytes, limits.segment) = (400_000, 160_000, 2_000_000)
        let flight = try FlightSample(limits)
        var maker = WireMaker(seed: 1)
        for turn in 1...100 {
            for record in maker.connection(UInt64(turn), requests: 8) { flight.take(record) }
            flight.tick(at: Nanoseconds(turn) * 1_000_000)
            if turn == 3 { flight.recorder.take(finding("it", at: flight.now)) }
        }
        flight.finish()
        #expect(flight.size(flight.flight + "/pinned") < 120_000)
        #expect(flight.pinned.first == (flight.names + flight.pinned).sorted().first, "its own beginning is there")
    }
}
