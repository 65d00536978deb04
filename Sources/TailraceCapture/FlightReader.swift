// SPDX-License-Identifier: MIT
import TailraceModel

/// Replays the segments of a flight recording as one: a response that goes on from one to the next is whole. Where one does
/// not go on where the one before ended, that is known as a gap.
public final class FlightReader: RecordedSource {
    /// Nothing more comes.
    public private(set) var isAtEnd = false
    private var rest: ArraySlice<FlightCatalogue.Segment>
    private let end: Int64?
    private let replay: RecordingReplay
    private var reader: SegmentReader
    /// Of the segments before the one that is read.
    private var before = RecordingAccount()
    private var gaps: [RecordingGap] = []
    private static let mostGaps = 1000

    private final class SegmentReader {
        var reader: RecordingReader
        let description: RecordingDescription

        init(_ path: String) throws(CaptureError) {
            var reader = try RecordingReader(path: path)
            guard let block = try reader.next() else {
                throw CaptureError.unreadable(path, "its beginning is damaged", "take it away")
            }
            description = try RecordingReplay.description(path, block)
            self.reader = reader
        }
    }

    /// Opens what was recorded around a time.
    ///
    /// - Parameters:
    ///   - catalogue: of the directory.
    ///   - range: from when to when, ns since 1970; whole segments are read at its begin. nil: all that is there.
    /// - Throws: `CaptureError` of kind `unreadable`: nothing of that time is there, or it cannot be read.
    public init(_ catalogue: FlightCatalogue, range: ClosedRange<Int64>? = nil) throws(CaptureError) {
        let segments = range.map { catalogue.covering($0) } ?? catalogue.segments
        end = range?.upperBound
        let (chosen, isLater) = Self.newestBoot(segments)
        guard let first = chosen.first else { throw catalogue.nothing(in: range, isThere: !segments.isEmpty) }
        let opened = try SegmentReader(first.path)
        reader = opened
        rest = chosen.dropFirst()
        var whole = try RecordingReader(path: first.path)
        guard let block = try whole.next() else { throw catalogue.nothing(in: range, isThere: true) }
        replay = try RecordingReplay(catalogue.directory, block)
        replay.join(opened.description) { _ in }
        if isLater, let earliest = segments.first {
            gaps.append(
                RecordingGap(
                    begin: earliest.name.begin * 1_000_000_000, end: opened.description.anchor.wall, records: nil))
        }
    }

    /// Monotonic time begins anew with the machine: what was recorded since it began last, and whether there is more. What cannot
    /// be read is left out.
    private static func newestBoot(_ segments: [FlightCatalogue.Segment]) -> ([FlightCatalogue.Segment], Bool) {
        var chosen: [FlightCatalogue.Segment] = []
        var boot: String?
        for segment in segments.reversed() {
            guard let description = segment.description else { continue }
            let own = description.segment?.boot ?? ""
            if let boot, own != boot { return (chosen.reversed(), true) }
            boot = own
            chosen.append(segment)
        }
        return (chosen.reversed(), false)
    }

    /// When the newest record of all was made.
    ///
    /// - Throws: `CaptureError` of kind `unreadable`.
    public static func end(of catalogue: FlightCatalogue) throws(CaptureError) -> Nanoseconds? {
        guard let last = newestBoot(catalogue.segments).0.last else { return nil }
        return try RecordingSource.end(of: last.path)
    }

    /// What the first segment says of itself.
    public var description: RecordingDescription { replay.description }
    /// Wall time of what was drained last.
    public var anchor: ClockAnchor { replay.anchor }
    /// Time up to which was drained.
    public var now: Nanoseconds { replay.now }

    /// What was used of all segments so far, and how the newest ends.
    public var account: RecordingAccount {
        var account = reader.reader.account
        account.records = replay.records
        account.dropped = replay.dropped
        account.damages += before.damages
        account.firstDamage = before.firstDamage ?? account.firstDamage
        account.missingBlocks = saturated(account.missingBlocks, before.missingBlocks)
        account.missingRecords = saturated(account.missingRecords, before.missingRecords)
        account.unusedBytes = saturated(account.unusedBytes, before.unusedBytes)
        account.gaps = gaps
        if isAtEnd, account.ending == nil { account.ending = .clean }
        return account
    }

    /// Over all segments, and what is in none of them.
    public func loss() -> Loss {
        var loss = replay.loss()
        loss.unrecorded = missing
        return loss
    }

    private var missing: UInt64 { saturated(before.missingRecords, reader.reader.account.missingRecords) }

    /// The events of the next block.
    ///
    /// - Throws: `CaptureError` of kind `unreadable` where a segment cannot be read on.
    @discardableResult
    public func drain(_ handle: @escaping (KernelEvent) -> Void) throws(CaptureError) -> Int {
        if let end, replay.anchor.wall(at: replay.now) > end { return finish(handle) }
        guard let block = try reader.reader.next() else {
            guard let next = openNext() else { return finish(handle) }
            goOn(with: next, handle)
            return 0
        }
        let taken = replay.take(block, missing: missing, handle)
        if taken == nil { reader.reader.refuse(block) }
        return taken ?? 0
    }

    private func finish(_ handle: (KernelEvent) -> Void) -> Int {
        isAtEnd = true
        replay.end(handle)
        return 0
    }

    /// What was taken away meanwhile, or cannot be read, is missing.
    private func openNext() -> SegmentReader? {
        while let segment = rest.popFirst() {
            if let end, segment.name.begin * 1_000_000_000 > end { return nil }
            if let opened = try? SegmentReader(segment.path) { return opened }
        }
        return nil
    }

    private func goOn(with next: SegmentReader, _ handle: (KernelEvent) -> Void) {
        let account = reader.reader.account
        before.damages += account.damages
        before.firstDamage = before.firstDamage ?? account.firstDamage
        before.unusedBytes = saturated(before.unusedBytes, account.unusedBytes)
        before.missingBlocks = saturated(before.missingBlocks, account.missingBlocks)
        before.missingRecords = saturated(before.missingRecords, account.missingRecords)
        note(gapBefore: next)
        reader = next
        replay.join(next.description, handle)
    }

    private func note(gapBefore next: SegmentReader) {
        let last = reader.description.segment
        let begin = replay.anchor.wall(at: replay.now)
        guard let last, let segment = next.description.segment, last.run == segment.run else {
            replay.doubt()
            return add(RecordingGap(begin: begin, end: next.description.anchor.wall, records: nil))
        }
        let count = reader.reader.recordsBefore
        let told = saturated(last.before, count - min(count, last.announced))
        guard segment.before > told else { return }
        before.missingRecords = saturated(before.missingRecords, segment.before - told)
        replay.doubt()
        add(RecordingGap(begin: begin, end: next.description.anchor.wall, records: segment.before - told))
    }

    private func add(_ gap: RecordingGap) { if gaps.count < Self.mostGaps { gaps.append(gap) } }
}
