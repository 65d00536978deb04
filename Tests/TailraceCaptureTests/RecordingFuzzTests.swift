// SPDX-License-Identifier: MIT
import CProbes
import Glibc
import SeededRandom
import TailraceAnalysis
import TailraceModel
import TailraceOutput
import Testing

@testable import TailraceCapture

/// The recording in Tests/Fixtures: its bytes are the corpus, and it must stay readable.
enum Fixture {
    static let path: String = {
        let here = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return here.dropLast(2).joined(separator: "/") + "/Fixtures/recording.trc"
    }()
    /// With TAILRACE_MAKE_FIXTURES=1 it is made anew.
    static let bytes: [UInt8] = {
        if getenv("TAILRACE_MAKE_FIXTURES") != nil, let sample = try? RecordingSample(seed: 42, blocks: 6) {
            let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            _ = sample.bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            close(descriptor)
        }
        return content(of: path)
    }()
}

/// Goes the whole way that `tailrace export` goes.
private func export(_ path: String) throws(CaptureError) -> (text: [UInt8], responses: Int) {
    let source = try RecordingSource(path: path)
    let recorded = source.description
    let run = RunDescription(
        version: recorded.version, host: recorded.host, kernel: recorded.kernel, backend: recorded.backend,
        anchor: recorded.anchor)
    let formats: [any ResponseFormat] = [NDJSON(run: run), CSV(run: run)]
    var correlator = Correlator(tellsFlushes: true)
    var text: [UInt8] = []
    var responses = 0
    while !source.isAtEnd {
        try source.drain { event in
            correlator.take(event) { actions in
                for index in actions.ended.indices {
                    responses += 1
                    for format in formats { text += format.response(actions.ended[index], anchor: source.anchor) }
                }
                if let flush = actions.flush { text += formats[0].flush(flush, anchor: source.anchor) }
                for sample in actions.samples { text += formats[0].sample(sample, anchor: source.anchor) }
            }
        }
    }
    for response in correlator.open(at: source.now) { text += formats[0].response(response, anchor: source.anchor) }
    text += formats[0].loss(source.loss(), at: source.anchor.wall(at: source.now))
    return (text, responses)
}

/// Changes to a file, by chance.
private struct Mutator {
    var random: SeededGenerator

    private mutating func place(in bytes: [UInt8]) -> Int { Int.random(in: 0..<max(1, bytes.count), using: &random) }

    private mutating func range(in bytes: [UInt8]) -> Range<Int> {
        let start = place(in: bytes)
        return start..<min(bytes.count, start + Int.random(in: 1...400, using: &random))
    }

    /// Numbers that are at a limit of something.
    private mutating func scribble(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        let values: [UInt64] = [
            0, 1, .max, 1 << 31, 1 << 32, 1 << 61, 1 << 62, 1 << 63, .random(in: 0 ... .max, using: &random),
        ]
        let value = values[Int.random(in: values.indices, using: &random)]
        let width = [1, 2, 4, 8][Int.random(in: 0..<4, using: &random)]
        let start = place(in: bytes) / width * width
        for index in 0..<width where start + index < bytes.count {
            bytes[start + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
    }

    /// As a disk, a network or a curious person changes it.
    mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let piece = range(in: bytes)
            switch Int.random(in: 0..<7, using: &random) {
            case 0: bytes[place(in: bytes)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: scribble(&bytes)
            case 2: bytes.removeLast(min(bytes.count - 1, piece.count))
            case 3: bytes.removeSubrange(piece)
            case 4: bytes.insert(contentsOf: Array(bytes[piece]), at: place(in: bytes))
            case 5: bytes.insert(contentsOf: piece.map { UInt8(truncatingIfNeeded: $0 &* 37) }, at: place(in: bytes))
            default: bytes.replaceSubrange(piece, with: [UInt8](repeating: 0, count: piece.count))
            }
            if bytes.isEmpty { bytes = [0] }
        }
        return bytes
    }

    /// As somebody makes it who knows the format: the content is nonsense, the checksums are right.
    mutating func forged(_ bytes: [UInt8]) -> [UInt8] {
        RecordingSample.blocks(of: bytes).flatMap { block in
            let whole = Array(bytes[block.offset..<block.offset + Int(block.header.length)])
            guard Int.random(in: 0..<3, using: &random) == 0 else { return whole }
            let payload = Array(whole[RecordingFormat.headerBytes...])
            guard block.records.count > 0 else {
                var fields = payload
                scribble(&fields)
                return BlockMaker(like: block.header).bytes(fields)
            }
            var records = [UInt8](repeating: 0, count: Int(block.header.inflatedLength))
            _ = records.withUnsafeMutableBytes { output in
                payload.withUnsafeBytes { Inflater()?.inflate($0, filling: output) }
            }
            for _ in 0..<Int.random(in: 1...30, using: &random) { scribble(&records) }
            return BlockMaker(like: block.header).bytes(BlockMaker.deflated(records))
        }
    }
}

@Suite("Recordings by chance")
struct RecordingFuzzTests {
    private let directory: ScratchDirectory

    init() throws { directory = try ScratchDirectory() }

    @Test("the committed recording reads as it did: else a record's layout has changed, and EV_WIRE_VERSION has not")
    func fixture() throws {
        let replayed = Replayed(directory.write(Fixture.bytes))
        #expect(replayed.error == nil && replayed.account.isWhole)
        let told = try export(Fixture.path)
        #expect(told.responses == 12 && replayed.loss.undecodable == 0)
        let text = String(decoding: told.text, as: UTF8.self)
        for connection in 1...6 {
            for number in 0..<2 { #expect(text.contains("\"target\":\"/\(connection)/\(number)\"")) }
        }
    }

    @Test("the same bytes give the same text, twice")
    func same() throws { #expect(try export(Fixture.path).text == export(Fixture.path).text) }

    @Test("damaged at random: no crash, and no record that was not recorded", arguments: 0..<20)
    func damaged(seed: Int) throws {
        var mutator = Mutator(random: SeededGenerator(state: UInt64(seed)))
        let original = ReadBack(directory.write(Fixture.bytes)).records
        for _ in 0..<60 {
            let path = directory.write(mutator.damaged(Fixture.bytes))
            let back = ReadBack(path)
            var rest = original[...]
            for record in back.records {
                guard let found = rest.firstIndex(of: record) else {
                    Issue.record("a record that nobody recorded, or not in its place")
                    break
                }
                rest = rest[(found + 1)...]
            }
            if back.error == nil { #expect(back.records.count == original.count || !back.account.isWhole) }
            _ = try? export(path)
        }
    }

    @Test("made by somebody who knows the format: no crash", arguments: 0..<20)
    func forged(seed: Int) throws {
        var mutator = Mutator(random: SeededGenerator(state: UInt64(10_000 + seed)))
        var read = 0
        for _ in 0..<60 {
            let path = directory.write(mutator.forged(Fixture.bytes))
            if (try? export(path)) != nil { read += 1 }
        }
        #expect(read > 20, "most of them are read: \(read) of 60")
    }
}
