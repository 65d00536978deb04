// SPDX-License-Identifier: MIT
import TailraceModel

/// A way to write the responses of a run, from its first byte to its last. What a format has no place for is empty.
public protocol ResponseFormat {
    /// Before anything else.
    func begin() -> [UInt8]
    /// One response; `anchor`: for its wall times.
    func response(_ response: borrowing Response, anchor: ClockAnchor) -> [UInt8]
    /// One flush.
    func flush(_ flush: Flush, anchor: ClockAnchor) -> [UInt8]
    /// The sockets of one server, once an interval.
    func sample(_ sample: ServerSample, anchor: ClockAnchor) -> [UInt8]
    /// A finding that opened, changed or closed.
    func finding(_ finding: Finding, anchor: ClockAnchor) -> [UInt8]
    /// A loss that grew while the run goes on; `wall`: ns since 1970.
    func loss(_ loss: Loss, at wall: Int64) -> [UInt8]
    /// After everything else.
    func end(_ end: RunEnd) -> [UInt8]
    /// Whether it says itself what was lost; else that is said on stderr.
    var tellsLoss: Bool { get }
}

extension ResponseFormat {
    /// Most formats have no place for it.
    public func finding(_ finding: Finding, anchor: ClockAnchor) -> [UInt8] { [] }
}

/// What is said at the end of a run.
public struct RunEnd: Sendable {
    /// How many objects of each type were told.
    public var counts = RunCounts()
    /// What was made, and what of it did not arrive.
    public var loss = Loss()
    /// Events of connections that were never announced.
    public var unattributed: UInt64 = 0
    /// When, ns since 1970.
    public var wall: Int64 = 0
    /// nil: the run is live.
    public var recording: RecordingEnd?

    /// Nothing.
    public init() {}
}

/// What of a recording was used, and how it ends.
public struct RecordingEnd: Sendable, Equatable {
    /// Records that were replayed.
    public var records: UInt64 = 0
    /// Records that the recorder could not write.
    public var dropped: UInt64 = 0
    /// Places where bytes were refused.
    public var damages: UInt64 = 0
    /// Where the first of them begins, bytes.
    public var firstDamage: UInt64?
    /// Blocks that are missing.
    public var missingBlocks: UInt64 = 0
    /// Records that were made and are not there: in missing blocks, or dropped.
    public var missingRecords: UInt64 = 0
    /// Where it was cut, bytes; nil: it has its end.
    public var cutAt: UInt64?
    /// Bytes behind its end, or behind the cut.
    public var unusedBytes: UInt64 = 0
    /// Of several segments: times that are in none.
    public var gaps: [RecordingGap] = []

    /// Nothing.
    public init() {}

    /// For people, one phrase.
    public var words: String {
        var words =
            cutAt.map {
                "it has no end (the recorder was killed, is still at work, or the file was cut): read up to byte \($0)"
            }
            ?? "it ends cleanly"
        if let firstDamage {
            words += ", \(damages) damaged \(damages == 1 ? "place" : "places"), the first at byte \(firstDamage)"
        }
        if missingBlocks > 0 { words += ", \(missingBlocks) blocks missing" }
        if missingRecords > 0 { words += ", \(missingRecords) records missing" }
        if dropped > 0 { words += " (\(dropped) of them were dropped while recording)" }
        if unusedBytes > 0 { words += ", \(unusedBytes) bytes behind it not used" }
        for gap in gaps.prefix(3) {
            words += ", nothing recorded from \(Timestamp.rfc3339(gap.begin).prefix(19))Z to "
            words += "\(Timestamp.rfc3339(gap.end).prefix(19))Z"
            words += gap.records.map { " (\($0) records)" } ?? " (no recorder was at work)"
        }
        return gaps.count > 3 ? words + " and \(gaps.count - 3) more such times" : words
    }
}

/// How many objects of each type a run has told.
public struct RunCounts: Sendable {
    /// That ended.
    public var responses = 0
    /// That were open at the end.
    public var open = 0
    /// Connections that were followed at the end.
    public var connections = 0
    /// Told flushes.
    public var flushes = 0
    /// Findings that opened.
    public var findings = 0

    /// None.
    public init() {}
}

extension JSONLine {
    mutating func recording(_ recording: RecordingEnd) {
        field("ended", string: recording.cutAt == nil ? "clean" : "cut")
        field("cut_at_bytes", recording.cutAt.map { Int64(clamping: $0) })
        field("records", recording.records)
        field("dropped", recording.dropped)
        field("damages", recording.damages)
        field("first_damage_at_bytes", recording.firstDamage.map { Int64(clamping: $0) })
        field("missing_blocks", recording.missingBlocks)
        field("missing_records", recording.missingRecords)
        field("unused_bytes", recording.unusedBytes)
        guard !recording.gaps.isEmpty else { return }
        array("gaps", recording.gaps) { line, gap in
            line.field("begin", wall: gap.begin)
            line.field("end", wall: gap.end)
            line.field("records", gap.records.map { Int64(clamping: $0) })
        }
    }
}
