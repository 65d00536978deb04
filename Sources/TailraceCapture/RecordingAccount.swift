// SPDX-License-Identifier: MIT
import TailraceModel

/// What of a recording was used, and how it ends.
public struct RecordingAccount: Sendable, Equatable {
    /// How a recording ends.
    public enum Ending: Sendable, Equatable {
        /// With its own end: nothing was to come.
        case clean
        /// Without one, after so many bytes: the recorder was killed, is still at work, or the file was cut.
        case cut(at: UInt64)
    }
    /// Records that were replayed.
    public var records: UInt64 = 0
    /// Records that the recorder could not write (disk full, size limit), as far as the recording says.
    public var dropped: UInt64 = 0
    /// Stretches of bytes that were refused: a checksum, a length or their place was wrong.
    public var damages: UInt64 = 0
    /// Where the first of them begins, bytes.
    public var firstDamage: UInt64?
    /// Blocks that are missing, by their sequence numbers.
    public var missingBlocks: UInt64 = 0
    /// Records that were made and are not there: in missing blocks, or dropped.
    public var missingRecords: UInt64 = 0
    /// Bytes behind the end, or behind the cut, that nothing could be made of.
    public var unusedBytes: UInt64 = 0
    /// Of several segments: where one does not go on where the one before ended.
    public var gaps: [RecordingGap] = []
    /// nil: not at the end yet.
    public var ending: Ending?

    /// Nothing read.
    public init() {}

    /// Whether everything that was recorded is there.
    public var isWhole: Bool {
        ending == .clean && damages == 0 && missingBlocks == 0 && missingRecords == 0 && unusedBytes == 0
            && gaps.isEmpty
    }
}

/// The counters of a `loss` or `end` block.
struct RecordedCounts: Equatable {
    var loss = Loss()
    /// Records that could not be written.
    var dropped: UInt64 = 0
    /// Records that were no records.
    var malformed: UInt64 = 0

    private enum Tag: UInt16 {
        case made = 1
        case delivered, sockets, reads, flushes, states, missed, untracked, headsUnread, merged, dropped, malformed,
            heads,
            adopted, untrackedMPTCP
    }

    private static let kinds: [(Tag, String)] = [
        (.sockets, "sockets"), (.reads, "reads"), (.heads, "heads"), (.flushes, "flushes"), (.states, "states"),
    ]

    init() {}

    var fields: [UInt8] {
        var fields = FieldWriter()
        fields.add(Tag.made.rawValue, loss.made)
        fields.add(Tag.delivered.rawValue, loss.delivered)
        for (tag, kind) in Self.kinds { fields.add(tag.rawValue, loss.lost[kind] ?? 0) }
        fields.add(Tag.missed.rawValue, loss.missed)
        fields.add(Tag.untracked.rawValue, loss.untracked)
        fields.add(Tag.headsUnread.rawValue, loss.headsUnread)
        fields.add(Tag.merged.rawValue, loss.merged)
        fields.add(Tag.adopted.rawValue, loss.adopted)
        fields.add(Tag.untrackedMPTCP.rawValue, loss.untrackedMPTCP)
        fields.add(Tag.dropped.rawValue, dropped)
        fields.add(Tag.malformed.rawValue, malformed)
        return fields.bytes
    }

    /// nil: it is no list of fields.
    init?(fields: UnsafeRawBufferPointer) {
        let isWhole = readFields(fields) { field in
            guard let tag = Tag(rawValue: field.tag) else { return }
            // Sums of a few of them must not overflow, whatever a file says.
            let number = min(field.number ?? 0, 1 << 56)
            switch tag {
            case .made: loss.made = number
            case .delivered: loss.delivered = number
            case .sockets, .reads, .heads, .flushes, .states:
                for (kind, name) in Self.kinds where kind == tag { loss.lost[name] = number }
            case .missed: loss.missed = number
            case .untracked: loss.untracked = number
            case .headsUnread: loss.headsUnread = number
            case .merged: loss.merged = number
            case .adopted: loss.adopted = number
            case .untrackedMPTCP: loss.untrackedMPTCP = number
            case .dropped: dropped = number
            case .malformed: malformed = number
            }
        }
        guard isWhole else { return nil }
    }
}
