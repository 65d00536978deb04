// SPDX-License-Identifier: MIT
import CProbes
import Glibc
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceCapture

/// Bytes as HTTP's chunks, cut by chance.
func chunked(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var (framed, rest) = ([UInt8](), bytes[...])
    while !rest.isEmpty {
        let piece = rest.prefix(Int.random(in: 1...5000, using: &random))
        let size = String(piece.count, radix: 16, uppercase: Bool.random(using: &random))
        framed += Array((size + (Bool.random(using: &random) ? "" : ";a=\"b\"") + "\r\n").utf8) + piece + [13, 10]
        rest = rest.dropFirst(piece.count)
    }
    return framed + Array((Bool.random(using: &random) ? "0\r\n\r\n" : "0\r\nX: y\r\n\r\n").utf8)
}

/// Both ends of a connection within this process.
final class Wire {
    let (reading, writing): (Int32, Int32)
    private var isOpen = true

    init() throws {
        var ends: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        (reading, writing) = (ends[0], ends[1])
    }

    func write(_ bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        #expect(bytes.withUnsafeBytes { Glibc.write(writing, $0.baseAddress, $0.count) } == bytes.count)
    }

    func end() {
        if isOpen { close(writing) }
        isOpen = false
    }

    deinit {
        end()
        close(reading)
    }
}

@Suite("A recording that is read while it arrives")
struct StreamTests {
    private let directory: ScratchDirectory
    private let sample: RecordingSample

    init() throws {
        directory = try ScratchDirectory()
        sample = try RecordingSample(blocks: 6, tellsTasks: true)
    }

    /// What a stream of these bytes tells, written in pieces by chance.
    private func told(_ bytes: [UInt8], isChunked: Bool = false, seed: Int) throws -> (Replayed, CaptureError?) {
        let wire = try Wire()
        var random = SeededGenerator(state: UInt64(seed))
        let head = bytes.prefix(Int.random(in: 0...600, using: &random))
        var rest = bytes.dropFirst(head.count)
        var replayed = Replayed()
        do throws(CaptureError) {
            wire.write(rest.prefix(1000))
            rest = rest.dropFirst(1000)
            if rest.isEmpty { wire.end() }
            let source = try StreamSource(
                descriptor: wire.reading, initial: Array(head), isChunked: isChunked, name: "it")
            var told: [String] = []
            while !source.isAtEnd {
                let piece = rest.prefix(Int.random(in: 1...3000, using: &random))
                if piece.isEmpty { wire.end() } else { wire.write(piece) }
                rest = rest.dropFirst(piece.count)
                try source.drain { told.append(Replayed.words(of: $0)) }
            }
            (replayed.events, replayed.account, replayed.loss) = (told, source.account, source.loss())
        } catch {
            return (replayed, error)
        }
        return (replayed, nil)
    }

    @Test("tells what the file tells, however it is cut", arguments: 0..<20, [false, true])
    func pieces(seed: Int, isChunked: Bool) throws {
        let file = Replayed(directory.write(sample.bytes))
        var random = SeededGenerator(state: UInt64(1000 + seed))
        let bytes = isChunked ? chunked(sample.bytes, &random) : sample.bytes
        let (stream, error) = try told(bytes, isChunked: isChunked, seed: seed)
        #expect(error == nil && stream.events == file.events && stream.loss == file.loss)
        #expect(stream.account == file.account && stream.account.isWhole)
    }

    private func isTask(_ words: String) -> Bool { words.hasPrefix("task ") }

    @Test("cut anywhere: tells what is whole, and says that it was cut", arguments: [false, true])
    func cut(isChunked: Bool) throws {
        let file = Replayed(directory.write(sample.bytes))
        var random = SeededGenerator(state: 5)
        let bytes = isChunked ? chunked(sample.bytes, &random) : sample.bytes
        for length in stride(from: 0, to: bytes.count, by: 97) {
            let (stream, error) = try told(Array(bytes[..<length]), isChunked: isChunked, seed: length)
            if let error {
                #expect(error.kind == .unreadable && stream.events.isEmpty, "\(error)")
            } else if case .cut = stream.account.ending {
                // What was told of tasks among records that were cut is told all the same.
                let (told, records) = (isTask, stream.events.filter { !isTask($0) })
                #expect(file.events.filter { !told($0) }.starts(with: records) && !stream.account.isWhole)
                #expect(file.events.filter(told).starts(with: stream.events.filter(told)))
            } else {
                // The end of the recording is there, and not that of the body.
                #expect(isChunked && stream.account.isWhole)
            }
        }
    }

    @Test("damaged anywhere: refused in one sentence, and nothing is told that was not recorded")
    func damaged() throws {
        let file = Replayed(directory.write(sample.bytes))
        for place in stride(from: 0, to: sample.bytes.count, by: 61) {
            var bytes = sample.bytes
            bytes[place] ^= 0x10
            let (stream, error) = try told(bytes, seed: place)
            // Where a length grew, more is waited for than comes.
            #expect(error?.kind == .unreadable || stream.account.ending != .clean, "byte \(place)")
            #expect(file.events.starts(with: stream.events))
        }
    }

    @Test("records that nobody took are counted, and known to be missing")
    func refused() throws {
        let wire = try Wire()
        var takes = true
        let writer = try RecordingWriter(
            description: RecordingDescription(), redactor: WholePayload(), interval: 100,
            sink: { block in
                if takes { wire.write(block) }
                return takes
            })
        var maker = WireMaker(seed: 2)
        var offered = 0
        for turn in 0..<9 {
            takes = turn % 3 != 1
            for record in maker.connection(UInt64(turn + 1), requests: 1) {
                record.withUnsafeBytes { writer.take($0) }
                offered += 1
            }
            let now = Nanoseconds(turn) * 100
            writer.tick(at: now, anchor: ClockAnchor(monotonic: now, wall: now), loss: { Loss() })
        }
        takes = true
        writer.finish(at: 1, anchor: ClockAnchor(monotonic: 1, wall: 1), loss: Loss())
        let source = try StreamSource(descriptor: wire.reading, isChunked: false, name: "it")
        while !source.isAtEnd { try source.drain { _ in } }
        #expect(Int(source.account.records) == offered / 3 * 2)
        #expect(source.loss().unrecorded == UInt64(offered / 3) && source.account.dropped == UInt64(offered / 3))
    }

    @Test("tells the time where nothing happens, and nothing sooner than its interval")
    func live() throws {
        let wire = try Wire()
        var blocks = 0
        let writer = try RecordingWriter(
            description: RecordingDescription(), redactor: WholePayload(), interval: 200_000_000,
            sink: { block in
                blocks += 1
                wire.write(block)
                return true
            })
        let source = try StreamSource(descriptor: wire.reading, isChunked: false, name: "it")
        let begin = blocks
        for turn in 0..<100 {
            let now = Nanoseconds(turn) * 10_000_000
            writer.tick(at: now, anchor: ClockAnchor(monotonic: 5, wall: 5), loss: { Loss() })
            try source.drain { _ in }
            #expect(source.now == now / 200_000_000 * 200_000_000)
        }
        #expect((5...6).contains(blocks - begin), "one each 200 ms")
        #expect(!source.isAtEnd)
    }

    @Test("waits no longer for its beginning than it was told, and says what to do")
    func silent() throws {
        let wire = try Wire()
        let error = #expect(throws: CaptureError.self) {
            _ = try StreamSource(descriptor: wire.reading, isChunked: false, name: "it", patience: 1_000_000)
        }
        #expect(error?.description.contains("nothing came for 1 ms") == true)
    }
}

@Suite("HTTP's chunks")
struct DechunkerTests {
    private func body(_ framed: [UInt8], pieces: Int, _ random: inout SeededGenerator) -> ([UInt8]?, Bool) {
        var (dechunker, body, rest) = (Dechunker(), [UInt8](), framed[...])
        while !rest.isEmpty {
            var piece = Array(rest.prefix(Int.random(in: 1...pieces, using: &random)))
            rest = rest.dropFirst(piece.count)
            guard let count = piece.withUnsafeMutableBytes({ dechunker.take($0) }) else { return (nil, false) }
            body += piece[..<count]
        }
        return (body, dechunker.isAtEnd)
    }

    @Test("what is framed comes back, however it is cut", arguments: 0..<50)
    func pieces(seed: Int) {
        var random = SeededGenerator(state: UInt64(seed))
        let bytes = (0..<Int.random(in: 0...20_000, using: &random)).map { UInt8(truncatingIfNeeded: $0 &* 7 / 3) }
        let framed = chunked(bytes, &random)
        for pieces in [1, 3, 100, 10_000] {
            let (back, isAtEnd) = body(framed, pieces: pieces, &random)
            #expect(back == bytes && isAtEnd)
        }
        #expect(body(Array(framed.dropLast()), pieces: 10, &random) == (bytes, false))
    }

    @Test(
        "what is no such body is refused",
        arguments: [
            "\r\n", "g\r\n", "-1\r\n", " 1\r\na\r\n", "1\na\r\n", "1\r\nab", "1\r\na\n", "1\r\r\n", "1\r\na\r\r\n",
            "1000000000000000\r\n", ";x\r\n", "0\r\na\n", "0\r\n\r\r\n", "0x1\r\na",
        ])
    func refused(text: String) {
        var random = SeededGenerator(state: 1)
        #expect(body(Array(text.utf8), pieces: 3, &random).0 == nil, "\(text.debugDescription)")
    }

    @Test("a line without an end is refused before it takes long")
    func endless() {
        var random = SeededGenerator(state: 1)
        for begin in ["1;", "0\r\nX: "] {
            let line = Array(begin.utf8) + [UInt8](repeating: 0x61, count: 5000)
            #expect(body(line, pieces: 100, &random).0 == nil)
        }
        #expect(body([UInt8](repeating: 0x30, count: 20), pieces: 3, &random).0 == nil)
    }
}
