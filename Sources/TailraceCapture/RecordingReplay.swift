// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// From the blocks of a recording to its events, wherever the blocks come from: a file, a stream, a set of segments.
final class RecordingReplay {
    /// What the recording says of itself.
    let description: RecordingDescription
    /// Wall time of what was replayed last.
    private(set) var anchor: ClockAnchor
    /// Time up to which it was replayed.
    private(set) var now: Nanoseconds
    /// Records that were replayed.
    private(set) var records: UInt64 = 0
    private var counts = RecordedCounts()
    private var decoder: Decoder
    private var missing: UInt64 = 0
    private var gaps = ReplayedGaps()
    private var tasks = ReplayedTasks()
    private var undecodable: UInt64 = 0
    /// Where several segments are replayed as one: what is known from those before.
    private var joint: SegmentJoint?
    /// Of the segments before.
    private var earlier = RecordedCounts()
    /// Sees every record and every process, for whoever records again.
    weak var tap: (any RecordTap)?
    private let inflater: Inflater
    private let batch: UnsafeMutableRawBufferPointer

    /// Wire versions that `Decoder` reads.
    private static let wireVersions: ClosedRange<UInt32> = EV_WIRE_VERSION...EV_WIRE_VERSION

    /// - Parameters:
    ///   - name: of the recording, for who is told why it cannot be read.
    ///   - block: its first one.
    /// - Throws: `CaptureError` of kind `unreadable`: it is of another version.
    init(_ name: String, _ block: RecordedBlock) throws(CaptureError) {
        description = try Self.description(name, block)
        guard let inflater = Inflater() else {
            throw CaptureError(.failed, "cannot read a recording: there is no memory")
        }
        self.inflater = inflater
        anchor = description.anchor
        now = description.anchor.monotonic
        decoder = Decoder(jiffy: description.jiffy, processes: ProcessLookup(isRecorded: true))
        // The last of all: of a recording that is refused nobody frees it.
        batch = .allocate(byteCount: RecordingFormat.largestBatch, alignment: 16)
    }

    deinit { batch.deallocate() }

    /// What a recording whose first block this is says of itself.
    ///
    /// - Throws: `CaptureError` of kind `unreadable`: it is of another version.
    static func description(_ name: String, _ block: RecordedBlock) throws(CaptureError) -> RecordingDescription {
        if block.header.format > RecordingFormat.version {
            throw CaptureError.unreadable(
                name,
                "its format is version \(block.header.format), newer than this tailrace reads (\(RecordingFormat.version))",
                "update tailrace")
        }
        guard let description = RecordingDescription(fields: block.payload) else {
            throw CaptureError.unreadable(name, "its description makes no sense", "record again")
        }
        guard wireVersions.contains(description.wireVersion) else {
            let isNewer = description.wireVersion > wireVersions.upperBound
            throw CaptureError.unreadable(
                name,
                "its records are of wire version \(description.wireVersion), and this tailrace reads \(EV_WIRE_VERSION)",
                isNewer ? "update tailrace" : "read it with the tailrace that made it, or record again")
        }
        return description
    }

    /// Records that the recorder could not write, as far as it says.
    var dropped: UInt64 { saturated(earlier.dropped, counts.dropped) }

    /// The blocks that follow are of a segment; what it tells again is not told twice.
    func join(_ segment: RecordingDescription, _ handle: (KernelEvent) -> Void) {
        tasks.tellAll(handle)
        earlier.loss = earlier.loss.and(counts.loss)
        earlier.dropped = dropped
        earlier.malformed = saturated(earlier.malformed, counts.malformed)
        counts = RecordedCounts()
        anchor = segment.anchor
        joint = joint ?? SegmentJoint()
        joint?.begin(segment)
    }

    /// Nobody knows what is missing here: whatever is followed is in doubt.
    func doubt() { gaps.begin() }

    /// The events of a block.
    ///
    /// - Parameters:
    ///   - block: the next one, in its place.
    ///   - missing: records that are missing up to here; where there are more than before, whatever is followed is in doubt.
    ///   - handle: an event.
    /// - Returns: how many records it had; nil: its content makes no sense.
    func take(_ block: RecordedBlock, missing: UInt64, _ handle: (KernelEvent) -> Void) -> Int? {
        if missing > self.missing {
            self.missing = missing
            gaps.begin()
        }
        let taken = take(block, handle)
        // Never backwards, and never so far that sums overflow, whatever the block says.
        now = max(now, Nanoseconds(block.header.last & (1 << 61 - 1)))
        return taken
    }

    /// No more blocks come.
    func end(_ handle: (KernelEvent) -> Void) { tasks.tellAll(handle) }

    private func take(_ block: RecordedBlock, _ handle: (KernelEvent) -> Void) -> Int? {
        guard block.header.format == RecordingFormat.version else { return nil }
        switch RecordingFormat.Kind(rawValue: block.header.kind) {
        case .records: return replay(block, handle)
        case .processes:
            let isWhole = RecordedProcesses.read(block.payload) {
                decoder.processes.add($0)
                tap?.found($0)
            }
            return isWhole ? 0 : nil
        case .anchor:
            guard let anchor = ClockAnchor(fields: block.payload) else { return nil }
            self.anchor = anchor
        case .loss, .end:
            guard let counts = RecordedCounts(fields: block.payload) else { return nil }
            self.counts = counts
        case .tasks:
            guard let inflated = inflate(block), var entries = RecordedTasks.entries(inflated) else { return nil }
            if joint != nil { entries.removeAll { joint?.isKnown($0) == true } }
            tasks.add(entries, handle)
            tasks.tell(before: block.header.before, handle)
        case .description, nil: break
        }
        return 0
    }

    /// nil: it is not what the header says.
    private func inflate(_ block: RecordedBlock) -> UnsafeRawBufferPointer? {
        let inflated = UnsafeMutableRawBufferPointer(rebasing: batch[..<Int(block.header.inflatedLength)])
        return inflater.inflate(block.payload, filling: inflated) ? UnsafeRawBufferPointer(inflated) : nil
    }

    /// All of its records, or none.
    private func replay(_ block: RecordedBlock, _ handle: (KernelEvent) -> Void) -> Int? {
        guard let bytes = inflate(block) else { return nil }
        var count: UInt32 = 0
        guard eachRecord(of: bytes, { _ in count += 1 }), count == block.header.count else { return nil }
        var number = block.header.before
        var known = 0
        _ = eachRecord(of: bytes) { record in
            if tasks.place <= number { tasks.tell(before: number, handle) }
            number &+= 1
            if joint?.isKnown(record) == true {
                known += 1
                return
            }
            // It lies in our own batch.
            gaps.mark(UnsafeMutableRawBufferPointer(mutating: record))
            tap?.take(record)
            switch decoder.decode(record) {
            case .roundEnded(let round)?: handle(.roundEnded(gaps.take(round)))
            case let event?: handle(event)
            case nil: undecodable += 1
            }
        }
        tasks.tell(before: number, handle)
        records += UInt64(Int(count) - known)
        return Int(count) - known
    }

    /// As the recorder counted it last; what cannot be decoded is counted anew, because that may have got better.
    func loss() -> Loss {
        var loss = joint == nil ? counts.loss : earlier.loss.and(counts.loss)
        loss.undecodable = undecodable + saturated(earlier.malformed, counts.malformed)
        loss.unrecorded = missing
        return loss
    }
}

/// Calls `take` for each record of a batch; false: a record's length leads out of it.
func eachRecord(of batch: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) -> Void) -> Bool {
    var offset = 0
    while offset < batch.count {
        guard batch.count - offset >= MemoryLayout<ev_header>.size else { return false }
        let length = Int(batch.loadUnaligned(fromByteOffset: offset, as: ev_header.self).size)
        guard length >= MemoryLayout<ev_header>.size, batch.count - offset >= length else { return false }
        take(UnsafeRawBufferPointer(rebasing: batch[offset..<(offset + length)]))
        let alignment = RecordingFormat.alignment
        offset += (length + alignment - 1) / alignment * alignment
    }
    return true
}
