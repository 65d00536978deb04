// SPDX-License-Identifier: MIT
import TailraceModel

/// Reads the blocks of a recording, which is not trusted: every length is checked before it is used, and what is damaged is
/// refused, counted and stepped over.
struct RecordingReader: ~Copyable {
    /// A block whose checksums are right. Its payload lives until the next one is read.
    struct Block {
        let header: BlockHeader
        let payload: UnsafeRawBufferPointer
    }
    /// Kept up to date; `records` is the caller's.
    private(set) var account = RecordingAccount()
    private var window: FileWindow
    private var position: UInt64 = 0
    /// Of the first block; no other recording's blocks are taken.
    private var identity: UInt64?
    private var expected: UInt64 = 0
    /// Records in all blocks up to here, those that are missing included.
    private var recordsBefore: UInt64 = 0
    /// Bytes whose checksum was computed in vain: a file made to keep us busy is not searched inside its blocks.
    private(set) var wasted: UInt64 = 0

    init(path: String) throws(CaptureError) { window = try FileWindow(path: path) }

    /// Bytes of the file.
    var size: UInt64 { window.size }

    /// The next block that is sound and in its place; nil: there are no more.
    mutating func next() throws(CaptureError) -> Block? {
        while account.ending == nil {
            if let block = try nextSound(), let placed = place(block) { return placed }
        }
        return nil
    }

    /// What the caller found wrong with the block that it got last.
    mutating func refuse(_ block: Block) {
        noteDamage(at: position - UInt64(block.header.length))
        noteMissing(records: UInt64(block.header.count), blocks: 1)
    }

    /// The sound block at `position`, or the next one behind it; nil at the end.
    private mutating func nextSound() throws(CaptureError) -> Block? {
        let begin = position
        while position < size {
            if let block = try soundBlock() {
                if position != begin { noteDamage(at: begin) }
                position += UInt64(block.header.length)
                return block
            }
            guard let candidate = try window.find(magic, from: position + 1) else { break }
            position = candidate
        }
        account.ending = .cut(at: begin)
        account.unusedBytes = size - begin
        return nil
    }

    private var magic: [UInt8] {
        RecordingFormat.magic
            + (identity.map { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } } ?? [])
    }

    /// The block at `position`, if its checksums are right.
    private mutating func soundBlock() throws(CaptureError) -> Block? {
        guard let header = BlockHeader(try window.bytes(at: position, count: RecordingFormat.headerBytes)),
            header.isPlausible, identity == nil || identity == header.identity
        else { return nil }
        let length = Int(header.length)
        let bytes = try window.bytes(at: position, count: length)
        guard bytes.count == length else { return nil }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[RecordingFormat.headerBytes...])
        if checksum(payload) == header.payloadChecksum { return Block(header: header, payload: payload) }
        wasted += UInt64(length)
        // The header is sound, so its length is: the search goes on behind it, where it would else take too long.
        if wasted > size { position += UInt64(length) - 1 }
        return nil
    }

    /// Holds the block against those before it; nil: it is not to be used.
    private mutating func place(_ block: Block) -> Block? {
        let header = block.header
        if identity == nil {
            // Without a description nothing can be read; there are two of it.
            guard header.kind == RecordingFormat.Kind.description.rawValue else { return nil }
            identity = header.identity
        }
        guard header.sequence >= expected, header.before >= recordsBefore else {
            noteDamage(at: position - UInt64(header.length))
            return nil
        }
        noteMissing(records: header.before - recordsBefore, blocks: header.sequence - expected)
        expected = header.sequence &+ 1
        recordsBefore = header.before
        if header.kind == RecordingFormat.Kind.records.rawValue {
            recordsBefore = header.before &+ UInt64(header.count)
        }
        if header.kind == RecordingFormat.Kind.end.rawValue {
            account.ending = .clean
            account.unusedBytes = size - position
        }
        return block
    }

    private mutating func noteDamage(at offset: UInt64) {
        account.damages += 1
        account.firstDamage = account.firstDamage ?? offset
    }

    private mutating func noteMissing(records: UInt64, blocks: UInt64) {
        account.missingRecords = saturated(account.missingRecords, records)
        account.missingBlocks = saturated(account.missingBlocks, blocks)
    }

    private func saturated(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let (sum, isOver) = a.addingReportingOverflow(b)
        return isOver ? .max : sum
    }
}
