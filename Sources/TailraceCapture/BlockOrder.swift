// SPDX-License-Identifier: MIT

/// Holds each block of a recording against those before it, and keeps account of what is missing.
struct BlockOrder {
    /// Kept up to date; `records` is the caller's.
    var account = RecordingAccount()
    /// Of the first block; no other recording's blocks are taken.
    private(set) var identity: UInt64?
    private var expected: UInt64 = 0
    /// Records in all blocks up to here, those that are missing included.
    private(set) var recordsBefore: UInt64 = 0

    /// Whether the block whose header this is, at `offset`, is to be used.
    mutating func place(_ header: BlockHeader, at offset: UInt64) -> Bool {
        if identity == nil {
            // Without a description nothing can be read; there are two of it.
            guard header.kind == RecordingFormat.Kind.description.rawValue else { return false }
            identity = header.identity
        }
        guard header.sequence >= expected, header.before >= recordsBefore else {
            noteDamage(at: offset)
            return false
        }
        noteMissing(records: header.before - recordsBefore, blocks: header.sequence - expected)
        expected = header.sequence &+ 1
        recordsBefore = header.before
        if header.kind == RecordingFormat.Kind.records.rawValue {
            recordsBefore = header.before &+ UInt64(header.count)
        }
        if header.kind == RecordingFormat.Kind.end.rawValue { account.ending = .clean }
        return true
    }

    /// What was found wrong with the block that was placed last.
    mutating func refuse(_ header: BlockHeader, at offset: UInt64) {
        noteDamage(at: offset)
        noteMissing(records: UInt64(header.count), blocks: 1)
    }

    mutating func noteDamage(at offset: UInt64) {
        account.damages += 1
        account.firstDamage = account.firstDamage ?? offset
    }

    private mutating func noteMissing(records: UInt64, blocks: UInt64) {
        account.missingRecords = saturated(account.missingRecords, records)
        account.missingBlocks = saturated(account.missingBlocks, blocks)
    }
}

/// The sum, or the most that there can be.
func saturated(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (sum, isOver) = a.addingReportingOverflow(b)
    return isOver ? .max : sum
}

/// A block whose checksums are right. Its payload lives until the next one is read.
struct RecordedBlock {
    let header: BlockHeader
    let payload: UnsafeRawBufferPointer

    /// nil: `bytes`, which begin with a block as long as `header` says, do not have the payload that it promises.
    init?(_ header: BlockHeader, _ bytes: UnsafeRawBufferPointer) {
        payload = UnsafeRawBufferPointer(
            rebasing: bytes[RecordingFormat.headerBytes..<Int(header.length)])
        guard checksum(payload) == header.payloadChecksum else { return nil }
        self.header = header
    }
}
