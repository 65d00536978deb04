// SPDX-License-Identifier: MIT
import CProbes
import Glibc
import TailraceModel
import Testing

@testable import TailraceCapture

@Suite("A damaged recording")
struct RecordingDamageTests {
    private let directory: ScratchDirectory
    private let sample: RecordingSample

    init() throws {
        directory = try ScratchDirectory()
        sample = try RecordingSample()
    }

    @Test("cut at any byte, is good up to its last whole block, and says where it was cut")
    func cut() throws {
        let path = directory.write(sample.bytes)
        for length in stride(from: sample.bytes.count - 1, through: 0, by: -1) {
            truncate(path, off_t(length))
            let whole = sample.blocks.filter { $0.offset + Int($0.header.length) <= length }
            let replayed = Replayed(path)
            guard let last = whole.last else {
                #expect(replayed.error?.kind == .unreadable)
                continue
            }
            let end = UInt64(last.offset + Int(last.header.length))
            #expect(replayed.error == nil && replayed.events.count == last.records.upperBound)
            #expect(replayed.account.ending == .cut(at: end))
            #expect(replayed.account.unusedBytes == UInt64(length) - end && replayed.account.damages == 0)
            #expect(ReadBack(path).records == Array(sample.records[..<last.records.upperBound]))
        }
    }

    /// The blocks whose bytes are all as they were.
    private func check(_ path: String, damaged: Int, _ comment: Comment) {
        let back = ReadBack(path)
        let (block, isLast) = (sample.blocks[damaged], damaged == sample.blocks.count - 1)
        let expected = Array(sample.records[..<block.records.lowerBound] + sample.records[block.records.upperBound...])
        #expect(back.error == nil && back.records == expected, comment)
        #expect(!back.account.isWhole, comment)
        if isLast {
            #expect(back.account.ending == .cut(at: UInt64(block.offset)), comment)
        } else {
            #expect(back.account.ending == .clean && back.account.damages == 1, comment)
            #expect(back.account.firstDamage == UInt64(block.offset), comment)
            #expect(back.account.missingBlocks == 1, comment)
            #expect(back.account.missingRecords == UInt64(block.records.count), comment)
        }
    }

    @Test("with any bit of any byte flipped, loses the block that it is in, says so, and nothing else")
    func flipped() throws {
        let path = directory.write(sample.bytes)
        let descriptor = open(path, O_WRONLY)
        defer { close(descriptor) }
        for (number, block) in sample.blocks.enumerated() {
            for offset in block.offset..<block.offset + Int(block.header.length) {
                for bit in 0..<8 {
                    var byte = sample.bytes[offset] ^ (1 << UInt8(bit))
                    pwrite(descriptor, &byte, 1, off_t(offset))
                    check(path, damaged: number, "byte \(offset), bit \(bit)")
                }
                var byte = sample.bytes[offset]
                pwrite(descriptor, &byte, 1, off_t(offset))
            }
        }
    }

    private func bytes(of blocks: some Sequence<Int>) -> [UInt8] {
        blocks.flatMap { number in
            let block = sample.blocks[number]
            return sample.bytes[block.offset..<block.offset + Int(block.header.length)]
        }
    }

    @Test("with a block twice, it counts once")
    func repeated() throws {
        for number in sample.blocks.indices.dropLast() {
            let order = Array(0...number) + [number] + Array(number + 1..<sample.blocks.count)
            let back = ReadBack(directory.write(bytes(of: order)))
            #expect(back.records == sample.records && back.account.damages == 1 && back.account.missingBlocks == 0)
        }
    }

    @Test("with two blocks changed about, what comes too late is not used, and missed")
    func reordered() throws {
        for number in sample.blocks.indices.dropLast(2) {
            var order = Array(sample.blocks.indices)
            order.swapAt(number, number + 1)
            let back = ReadBack(directory.write(bytes(of: order)))
            let late = sample.blocks[number].records
            let expected = Array(sample.records[..<late.lowerBound] + sample.records[late.upperBound...])
            #expect(back.records == expected && back.account.damages == 1 && back.account.missingBlocks == 1)
            #expect(back.account.missingRecords == UInt64(late.count))
        }
    }

    @Test("with a block taken out, says how many records were in it")
    func removed() throws {
        for number in sample.blocks.indices.dropLast() {
            let back = ReadBack(directory.write(bytes(of: sample.blocks.indices.filter { $0 != number })))
            let missing = sample.blocks[number].records
            let expected = Array(sample.records[..<missing.lowerBound] + sample.records[missing.upperBound...])
            #expect(back.records == expected && back.account.missingBlocks == 1 && !back.account.isWhole)
            #expect(back.account.missingRecords == UInt64(missing.count) && back.account.damages == 0)
        }
    }

    @Test("with a block taken out, every connection that goes on behind it is told to have lost records, once")
    func doubt() throws {
        var maker = WireMaker(seed: 3)
        let path = directory.file("d")
        let writer = try RecordingWriter(
            path: path, description: RecordingDescription(), longest: 1 << 20, redactor: WholePayload(), say: { _ in })
        for block in 0..<3 {
            for socket: UInt64 in [7, 8, 7, 8] {
                maker.flush(socket, bytes: 10).withUnsafeBytes { writer.take($0) }
            }
            let now = Nanoseconds(block) * 2_000_000_000
            writer.tick(at: now, anchor: ClockAnchor(monotonic: 1, wall: 1), loss: { Loss() })
        }
        writer.finish(at: 9, anchor: ClockAnchor(monotonic: 1, wall: 1), loss: Loss())
        let whole = content(of: path)
        let all = RecordingSample.blocks(of: whole).filter { $0.records.count > 0 }
        let missing = all[1].offset..<all[1].offset + Int(all[1].header.length)
        for (bytes, expected) in [
            (whole, [Bool](repeating: false, count: 12)),
            (
                Array(whole[..<missing.lowerBound] + whole[missing.upperBound...]),
                [false, false, false, false, true, true, false, false]
            ),
        ] {
            let source = try RecordingSource(path: directory.write(bytes))
            var told: [Bool] = []
            while !source.isAtEnd {
                try source.drain { event in
                    if case .flushLeft(let flush) = event { told.append(flush.pointee.isAfterLoss) }
                }
            }
            #expect(told == expected)
        }
    }

    @Test("with blocks of another recording, or bytes of none, in between or behind, uses its own only")
    func foreign() throws {
        let other = try RecordingSample(seed: 9, blocks: 2)
        for strange in [other.bytes, [UInt8](repeating: 0x89, count: 3000), RecordingFormat.magic + [1, 2, 3]] {
            for number in sample.blocks.indices {
                let (before, after) = (bytes(of: 0...number), bytes(of: number + 1..<sample.blocks.count))
                let back = ReadBack(directory.write(before + strange + after))
                #expect(back.records == sample.records && back.account.ending == .clean && !back.account.isWhole)
                #expect(back.account.unusedBytes == (after.isEmpty ? UInt64(strange.count) : 0))
                #expect(back.account.damages == (after.isEmpty ? 0 : 1))
            }
        }
    }

    @Test("what a client sends does not become a block, even where it is one")
    func forged() throws {
        // A whole recording in a payload that is not compressed, whose own block is damaged.
        let forged = try RecordingSample(seed: 5, blocks: 1).bytes
        let carrier = BlockMaker(like: sample.blocks[4].header).bytes(forged) { $0.kind = 99 }
        var bytes = sample.bytes
        bytes.insert(contentsOf: carrier, at: sample.blocks[4].offset)
        bytes[sample.blocks[4].offset + 70] ^= 1
        let back = ReadBack(directory.write(bytes))
        #expect(back.records == sample.records && back.account.damages == 1)
    }
}

@Suite("A recording that somebody made")
struct HostileRecordingTests {
    private let directory: ScratchDirectory
    private let sample: RecordingSample

    init() throws {
        directory = try ScratchDirectory()
        sample = try RecordingSample()
    }

    private func refusal(_ bytes: [UInt8]) -> String {
        let error = Replayed(directory.write(bytes)).error
        return error?.kind == .unreadable ? error?.description ?? "" : ""
    }

    /// The sample with this block instead of its first one with records.
    private func replaced(_ block: (BlockMaker) -> [UInt8]) throws -> Replayed {
        let number = try #require(sample.blocks.firstIndex { $0.records.count > 0 })
        let (before, own) = (sample.bytes[..<sample.blocks[number].offset], sample.blocks[number])
        let after = sample.bytes[(own.offset + Int(own.header.length))...]
        return Replayed(directory.write(before + block(BlockMaker(like: own.header)) + after))
    }

    @Test("nothing, text, or another file: refused in one sentence that says what to do")
    func noRecording() {
        for bytes in [[], Array("hello\n".utf8), [UInt8](repeating: 0, count: 100_000), RecordingFormat.magic] {
            let sentence = refusal(bytes)
            #expect(sentence.contains(directory.path) && sentence.contains("tailrace record"), "\(sentence)")
        }
        #expect(Replayed(directory.file("none")).error?.kind == .unreadable)
        #expect(Replayed(directory.path).error?.kind == .unreadable)
        mkfifo(directory.file("pipe"), 0o600)
        #expect(Replayed(directory.file("pipe")).error?.kind == .unreadable)
    }

    @Test("a newer format and other records are refused, and said to be that")
    func versions() throws {
        let first = try #require(sample.blocks.first)
        let payload = Array(sample.bytes[RecordingFormat.headerBytes..<Int(first.header.length)])
        let newer = BlockMaker(like: first.header).bytes(payload) { $0.format = RecordingFormat.version + 1 }
        #expect(refusal(newer).contains("newer") && refusal(newer).contains("update tailrace"))
        for (version, advice) in [(EV_WIRE_VERSION + 1, "update"), (0, "the tailrace that made it"), (.max, "update")] {
            var description = RecordingDescription()
            description.wireVersion = version
            let sentence = refusal(BlockMaker(like: first.header).bytes(description.fields))
            #expect(sentence.contains("wire version \(version)") && sentence.contains(advice), "\(sentence)")
        }
        #expect(refusal(BlockMaker(like: first.header).bytes([1, 0, 9, 0])).contains("makes no sense"))
    }

    @Test("a block whose content is not what it says is refused as a whole")
    func contents() throws {
        var maker = WireMaker(seed: 8)
        let record = kept(maker.closed(5))
        var endless = record
        endless[18] = 0
        let huge = [UInt8](repeating: 0, count: RecordingFormat.largestBatch)
        let size = UInt32(record.count)
        let blocks: [(BlockMaker) -> [UInt8]] = [
            { $0.bytes(BlockMaker.deflated(record)) { ($0.count, $0.inflatedLength) = (2, size) } },
            { $0.bytes(BlockMaker.deflated(record)) { ($0.count, $0.inflatedLength) = (1, size - 1) } },
            { $0.bytes(BlockMaker.deflated(record)) { ($0.count, $0.inflatedLength) = (1, size + 8) } },
            { $0.bytes(BlockMaker.deflated(endless)) { ($0.count, $0.inflatedLength) = (1, size) } },
            { $0.bytes(BlockMaker.deflated(record + [1, 2])) { ($0.count, $0.inflatedLength) = (1, size + 2) } },
            { $0.bytes(BlockMaker.deflated(record) + [0]) { ($0.count, $0.inflatedLength) = (1, size) } },
            { $0.bytes(BlockMaker.deflated(huge + huge)) { $0.inflatedLength = UInt32(huge.count) } },
            { $0.bytes(BlockMaker.deflated(huge)) { $0.inflatedLength = UInt32(huge.count) } },
            { $0.bytes(BlockMaker.deflated(huge)) { $0.inflatedLength = .max } },
            { $0.bytes(record) { ($0.count, $0.inflatedLength) = (1, size) } },
            { $0.bytes([]) { ($0.count, $0.inflatedLength) = (0, 8) } },
            { $0.bytes([9]) { $0.kind = RecordingFormat.Kind.processes.rawValue } },
            { $0.bytes([1, 0, 255, 255]) { $0.kind = RecordingFormat.Kind.loss.rawValue } },
            { $0.bytes([1, 0, 0]) { $0.kind = RecordingFormat.Kind.end.rawValue } },
            { $0.bytes([]) { $0.kind = RecordingFormat.Kind.anchor.rawValue } },
            { $0.bytes(BlockMaker.deflated(record)) { ($0.format, $0.count, $0.inflatedLength) = (7, 1, size) } },
        ]
        let own = try #require(sample.blocks.first { $0.records.count > 0 })
        for (number, block) in blocks.enumerated() {
            let replayed = try replaced(block)
            #expect(replayed.error == nil && !replayed.account.isWhole, "\(number)")
            #expect(!replayed.events.contains { $0.hasPrefix("state 5") }, "\(number)")
            #expect(replayed.events.count <= sample.records.count - own.records.count, "\(number)")
        }
    }

    @Test("a block that says less than it promises is not filled up with the one before")
    func stale() throws {
        let own = sample.blocks.filter { $0.records.count > 0 }
        let (first, second) = (own[0], own[1])
        let beginning = BlockMaker.deflated(sample.records[second.records.lowerBound])
        let block = BlockMaker(like: second.header).bytes(beginning) {
            ($0.count, $0.inflatedLength) = (first.header.count, first.header.inflatedLength)
        }
        let after = sample.bytes[(second.offset + Int(second.header.length))...]
        let replayed = Replayed(directory.write(sample.bytes[..<second.offset] + block + after))
        #expect(replayed.events.count == sample.records.count - second.records.count)
        #expect(Set(replayed.events).count == replayed.events.count, "none comes twice")
    }

    @Test("a kind that is not known is skipped, and nothing is said of it")
    func unknownKind() throws {
        let end = try #require(sample.blocks.last)
        let block = BlockMaker(like: end.header).bytes([1, 2, 3]) { ($0.kind, $0.count) = (4711, 9) }
        let last = BlockMaker(like: end.header).bytes(Array(sample.bytes[(end.offset + 72)...])) { $0.sequence += 1 }
        let replayed = Replayed(directory.write(sample.bytes[..<end.offset] + block + last))
        #expect(replayed.account.isWhole && replayed.events.count == sample.records.count)
    }

    @Test("numbers at their limits neither overflow nor take memory")
    func limits() throws {
        for value: UInt64 in [.max, 1 << 63, 1 << 62, 0] {
            _ = try replaced { $0.bytes([]) { ($0.sequence, $0.kind) = (value, 99) } }
            _ = try replaced { $0.bytes([]) { ($0.before, $0.kind) = (value, 99) } }
            _ = try replaced { $0.bytes([]) { ($0.first, $0.last, $0.kind) = (value, value, 99) } }
            var counts = RecordedCounts()
            (counts.loss.made, counts.dropped, counts.malformed, counts.loss.missed) = (value, value, value, value)
            for kind in ["sockets", "reads", "heads", "flushes", "states"] { counts.loss.lost[kind] = value }
            let replayed = try replaced { $0.bytes(counts.fields) { $0.kind = RecordingFormat.Kind.loss.rawValue } }
            #expect(replayed.error == nil)
            for name: UInt16 in [1, 2] {
                var fields = FieldWriter()
                fields.add(1, value)
                fields.add(2, value >> name)
                _ = try replaced { $0.bytes(fields.bytes) { $0.kind = RecordingFormat.Kind.anchor.rawValue } }
            }
        }
    }

    @Test("a file made of headers that promise much is read in one go")
    func busy() throws {
        // Each header is sound, and its payload, which is all that follows, is not.
        let header = try #require(sample.blocks.last).header
        let one = BlockMaker(like: header).bytes([]) { ($0.length, $0.kind) = (200_000, 2) }
        let first = try #require(sample.blocks.first)
        let description = sample.bytes[..<Int(first.header.length)]
        var bytes = Array(description)
        for _ in 0..<60_000 { bytes += one }
        var reader = try RecordingReader(path: directory.write(bytes))
        while let block = try reader.next() { #expect(block.header.kind == 1) }
        #expect(reader.account.ending == .cut(at: UInt64(description.count)))
        #expect(reader.wasted <= 3 * reader.size, "as much work as if each byte were in three blocks")
    }
}
