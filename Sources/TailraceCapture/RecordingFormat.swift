// SPDX-License-Identifier: MIT
import CZlib

/// A recording on the disk.
///
/// A recording is a sequence of blocks and nothing else. Each block is a header of 72 bytes and a payload; numbers are
/// little-endian:
///
///     offset size
///      0     8    magic: 89 'T' 'R' 'C' 0D 0A 1A 0A
///      8     8    identity of the recording, random: bytes of a client that look like a block are not one
///     16     2    format version
///     18     2    kind
///     20     4    length of the block, header included
///     24     4    length of the payload once inflated
///     28     4    how many records, or entries, the payload holds
///     32     8    sequence number, from 0
///     40     8    records that came before it, those that could not be written included
///     48     8    time of its first record, ns of CLOCK_MONOTONIC
///     56     8    time of its last one
///     64     4    CRC-32 of the payload as it stands in the file
///     68     4    CRC-32 of these 68 bytes
///
/// The two checksums cover every byte. A block is written whole or not at all, so a recording that was cut anywhere is good
/// up to its last whole block; where bytes are damaged, the next magic with the identity of the recording is looked for.
/// What blocks are missing shows in the sequence numbers, and how many records are in the counts of those that came before.
///
/// - `description` comes twice at the beginning, so that one damaged byte cannot make the rest unreadable.
/// - `records`: wire records (`bpf/include/events.h`), deflated, each aligned to 8 bytes.
/// - `processes`: what /proc said of servers, before the records that name them.
/// - `anchor`: both clocks, before the records that they date.
/// - `loss`: the kernel side's counters.
/// - `end`: the last one, with the final counts.
/// - `tasks`: what was told of open tasks, deflated, before the records among which it was told. Each entry says how many records
///   came before it, those that could not be written included.
///
/// All payloads but `records` are lists of fields (`FieldWriter`). Kinds and fields that a reader does not know are skipped.
enum RecordingFormat {
    /// Grows when a reader of the old one would be wrong.
    static let version: UInt16 = 1
    static let headerBytes = 72
    /// Largest batch of records, bytes: what a writer collects at most, and a reader makes room for.
    static let largestBatch = 256 << 10
    /// Longest block. Deflate makes incompressible input longer by less than a thousandth.
    static let longestBlock = headerBytes + largestBatch + largestBatch / 256
    /// Records begin at multiples of it.
    static let alignment = 8
    /// CR LF, SUB, LF: a transfer as text breaks it at once.
    static let magic: [UInt8] = [0x89, 0x54, 0x52, 0x43, 0x0d, 0x0a, 0x1a, 0x0a]

    /// What a block holds.
    enum Kind: UInt16 {
        case description = 1
        case records, processes, anchor, loss, end, tasks
    }
}

/// The first 72 bytes of a block.
struct BlockHeader: Equatable {
    var identity: UInt64 = 0
    var format = RecordingFormat.version
    /// `RecordingFormat.Kind`, or one that this program does not know.
    var kind: UInt16 = 0
    var length: UInt32 = 0
    var inflatedLength: UInt32 = 0
    var count: UInt32 = 0
    var sequence: UInt64 = 0
    var before: UInt64 = 0
    var first: UInt64 = 0
    var last: UInt64 = 0
    var payloadChecksum: UInt32 = 0

    init() {}

    /// nil: `bytes` do not begin with a header whose magic and checksum are right.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= RecordingFormat.headerBytes, bytes.starts(with: RecordingFormat.magic),
            number(bytes, 68) == checksum(UnsafeRawBufferPointer(rebasing: bytes[..<68]))
        else { return nil }
        identity = number(bytes, 8)
        format = number(bytes, 16)
        kind = number(bytes, 18)
        length = number(bytes, 20)
        inflatedLength = number(bytes, 24)
        count = number(bytes, 28)
        sequence = number(bytes, 32)
        before = number(bytes, 40)
        first = number(bytes, 48)
        last = number(bytes, 56)
        payloadChecksum = number(bytes, 64)
    }

    /// Writes it with its checksum into the first 72 bytes.
    func store(in bytes: UnsafeMutableRawBufferPointer) {
        bytes.copyBytes(from: RecordingFormat.magic)
        store(identity, bytes, 8)
        store(format, bytes, 16)
        store(kind, bytes, 18)
        store(length, bytes, 20)
        store(inflatedLength, bytes, 24)
        store(count, bytes, 28)
        store(sequence, bytes, 32)
        store(before, bytes, 40)
        store(first, bytes, 48)
        store(last, bytes, 56)
        store(payloadChecksum, bytes, 64)
        store(checksum(UnsafeRawBufferPointer(rebasing: bytes[..<68])), bytes, 68)
    }

    private func store(_ number: some FixedWidthInteger, _ bytes: UnsafeMutableRawBufferPointer, _ offset: Int) {
        bytes.storeBytes(of: number.littleEndian, toByteOffset: offset, as: type(of: number))
    }

    /// Bytes behind the header.
    var payloadLength: Int { Int(length) - RecordingFormat.headerBytes }
    /// Whether the lengths are ones that a writer makes; looked at before any of them is used.
    var isPlausible: Bool {
        (RecordingFormat.headerBytes...RecordingFormat.longestBlock).contains(Int(length))
            && Int(inflatedLength) <= RecordingFormat.largestBatch
    }
}

/// The little-endian number at `offset`.
private func number<Number: FixedWidthInteger & BitwiseCopyable>(_ bytes: UnsafeRawBufferPointer, _ offset: Int)
    -> Number
{
    Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
}

/// CRC-32 as zlib, gzip and PNG have it.
func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    UInt32(truncatingIfNeeded: crc32_z(0, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count))
}
