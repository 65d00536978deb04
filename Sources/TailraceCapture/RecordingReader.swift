// SPDX-License-Identifier: MIT
import TailraceModel

/// Reads the blocks of a recording, which is not trusted: every length is checked before it is used, and what is damaged is
/// refused, counted and stepped over.
struct RecordingReader: ~Copyable {
    private var window: FileWindow
    private var position: UInt64 = 0
    private var order = BlockOrder()
    /// Bytes whose checksum was computed in vain: a file made to keep us busy is not searched inside its blocks.
    private(set) var wasted: UInt64 = 0

    init(path: String) throws(CaptureError) { window = try FileWindow(path: path) }

    /// Bytes of the file.
    var size: UInt64 { window.size }
    /// Kept up to date; `records` is the caller's.
    var account: RecordingAccount { order.account }
    /// Records in all blocks up to here, those that are missing included.
    var recordsBefore: UInt64 { order.recordsBefore }

    /// The next block that is sound and in its place; nil: there are no more.
    mutating func next() throws(CaptureError) -> RecordedBlock? {
        while account.ending == nil {
            guard let block = try nextSound() else { continue }
            guard order.place(block.header, at: position - UInt64(block.header.length)) else { continue }
            if account.ending == .clean { order.account.unusedBytes = size - position }
            return block
        }
        return nil
    }

    /// What the caller found wrong with the block that it got last.
    mutating func refuse(_ block: RecordedBlock) {
        order.refuse(block.header, at: position - UInt64(block.header.length))
    }

    /// The sound block at `position`, or the next one behind it; nil at the end.
    private mutating func nextSound() throws(CaptureError) -> RecordedBlock? {
        let begin = position
        while position < size {
            if let block = try soundBlock() {
                if position != begin { order.noteDamage(at: begin) }
                position += UInt64(block.header.length)
                return block
            }
            guard let candidate = try window.find(magic, from: position + 1) else { break }
            position = candidate
        }
        order.account.ending = .cut(at: begin)
        order.account.unusedBytes = size - begin
        return nil
    }

    private var magic: [UInt8] {
        RecordingFormat.magic
            + (order.identity.map { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } } ?? [])
    }

    /// The block at `position`, if its checksums are right.
    private mutating func soundBlock() throws(CaptureError) -> RecordedBlock? {
        guard let header = BlockHeader(try window.bytes(at: position, count: RecordingFormat.headerBytes)),
            header.isPlausible, order.identity == nil || order.identity == header.identity
        else { return nil }
        let length = Int(header.length)
        let bytes = try window.bytes(at: position, count: length)
        guard bytes.count == length else { return nil }
        if let block = RecordedBlock(header, bytes) { return block }
        wasted += UInt64(length)
        // The header is sound, so its length is: the search goes on behind it, where it would else take too long.
        if wasted > size { position += UInt64(length) - 1 }
        return nil
    }
}
