// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// Replays a recording: the same events, in the same order, as the kernel told them.
///
///     let source = try RecordingSource(path: path)
///     while !source.isAtEnd {
///         try source.drain { event in ... }   // one block
///         ...                                 // source.anchor, source.loss() and source.now are as of here
///     }
public final class RecordingSource: EventSource {
    /// What the recording says of itself.
    public let description: RecordingDescription
    /// Wall time of what was drained last: re-sampled while it was recorded.
    public private(set) var anchor: ClockAnchor
    /// Time up to which the recording was replayed; at its end, when recording ended.
    public private(set) var now: Nanoseconds
    /// Nothing more comes.
    public private(set) var isAtEnd = false
    private var reader: RecordingReader
    private var decoder: Decoder
    private var counts = RecordedCounts()
    private var missing: UInt64 = 0
    private var gaps = ReplayedGaps()
    private var tasks = ReplayedTasks()
    private var records: UInt64 = 0
    private var undecodable: UInt64 = 0
    private let inflater: Inflater
    private let batch: UnsafeMutableRawBufferPointer

    /// Wire versions that `Decoder` reads.
    private static let wireVersions: ClosedRange<UInt32> = EV_WIRE_VERSION...EV_WIRE_VERSION

    /// Opens a recording and reads its description.
    ///
    /// - Throws: `CaptureError` of kind `unreadable`: it is not there, is no recording, or is of another version.
    public init(path: String) throws(CaptureError) {
        guard let inflater = Inflater() else {
            throw CaptureError(.failed, "cannot read a recording: there is no memory")
        }
        self.inflater = inflater
        reader = try RecordingReader(path: path)
        guard let block = try reader.next() else {
            throw CaptureError.unreadable(
                path, reader.size == 0 ? "it is empty" : "it is no recording of tailrace, or its beginning is damaged",
                "give the file that `tailrace record -o` wrote")
        }
        if block.header.format > RecordingFormat.version {
            throw CaptureError.unreadable(
                path,
                "its format is version \(block.header.format), newer than this tailrace reads (\(RecordingFormat.version))",
                "update tailrace")
        }
        guard let description = RecordingDescription(fields: block.payload) else {
            throw CaptureError.unreadable(path, "its description makes no sense", "record again")
        }
        guard Self.wireVersions.contains(description.wireVersion) else {
            let isNewer = description.wireVersion > Self.wireVersions.upperBound
            throw CaptureError.unreadable(
                path,
                "its records are of wire version \(description.wireVersion), and this tailrace reads \(EV_WIRE_VERSION)",
                isNewer ? "update tailrace" : "read it with the tailrace that made it, or record again")
        }
        self.description = description
        anchor = description.anchor
        now = description.anchor.monotonic
        decoder = Decoder(jiffy: description.jiffy, processes: ProcessLookup(isRecorded: true))
        // The last of all: of a recording that is refused nobody frees it.
        batch = .allocate(byteCount: RecordingFormat.largestBatch, alignment: 16)
    }

    deinit { batch.deallocate() }

    /// When the newest record of a recording was made, from the heads of its blocks alone; nil: it has none.
    ///
    /// - Throws: `CaptureError` of kind `unreadable`.
    public static func end(of path: String) throws(CaptureError) -> Nanoseconds? {
        var reader = try RecordingReader(path: path)
        var end: Nanoseconds?
        while let block = try reader.next() {
            end = max(end ?? 0, Nanoseconds(block.header.last & (1 << 61 - 1)))
        }
        return end
    }

    /// What was used so far, and how it ends.
    public var account: RecordingAccount {
        var account = reader.account
        account.records = records
        account.dropped = counts.dropped
        return account
    }

    /// The events of the next block; blocks without any only move `now`, `anchor` and `loss()`.
    ///
    /// - Throws: `CaptureError` of kind `unreadable` where the file cannot be read on.
    @discardableResult
    public func drain(_ handle: @escaping (KernelEvent) -> Void) throws(CaptureError) -> Int {
        guard let block = try reader.next() else {
            isAtEnd = true
            tasks.tellAll(handle)
            return 0
        }
        noteGap()
        let taken = take(block, handle)
        if taken == nil { reader.refuse(block) }
        // Never backwards, and never so far that sums overflow, whatever the block says.
        now = max(now, Nanoseconds(block.header.last & (1 << 61 - 1)))
        return taken ?? 0
    }

    private func noteGap() {
        guard reader.account.missingRecords > missing else { return }
        missing = reader.account.missingRecords
        gaps.begin()
    }

    /// How many records it had; nil: its content makes no sense.
    private func take(_ block: RecordingReader.Block, _ handle: (KernelEvent) -> Void) -> Int? {
        guard block.header.format == RecordingFormat.version else { return nil }
        switch RecordingFormat.Kind(rawValue: block.header.kind) {
        case .records: return replay(block, handle)
        case .processes: return RecordedProcesses.read(block.payload) { decoder.processes.add($0) } ? 0 : nil
        case .anchor:
            guard let anchor = ClockAnchor(fields: block.payload) else { return nil }
            self.anchor = anchor
        case .loss, .end:
            guard let counts = RecordedCounts(fields: block.payload) else { return nil }
            self.counts = counts
        case .tasks:
            guard let inflated = inflate(block), let entries = RecordedTasks.entries(inflated) else { return nil }
            tasks.add(entries, handle)
            tasks.tell(before: block.header.before, handle)
        case .description, nil: break
        }
        return 0
    }

    /// nil: it is not what the header says.
    private func inflate(_ block: RecordingReader.Block) -> UnsafeRawBufferPointer? {
        let inflated = UnsafeMutableRawBufferPointer(rebasing: batch[..<Int(block.header.inflatedLength)])
        return inflater.inflate(block.payload, filling: inflated) ? UnsafeRawBufferPointer(inflated) : nil
    }

    /// All of its records, or none.
    private func replay(_ block: RecordingReader.Block, _ handle: (KernelEvent) -> Void) -> Int? {
        guard let bytes = inflate(block) else { return nil }
        var count: UInt32 = 0
        guard eachRecord(of: bytes, { _ in count += 1 }), count == block.header.count else { return nil }
        var number = block.header.before
        _ = eachRecord(of: bytes) { record in
            if tasks.place <= number { tasks.tell(before: number, handle) }
            number &+= 1
            // It lies in our own batch.
            gaps.mark(UnsafeMutableRawBufferPointer(mutating: record))
            switch decoder.decode(record) {
            case .roundEnded(let round)?: handle(.roundEnded(gaps.take(round)))
            case let event?: handle(event)
            case nil: undecodable += 1
            }
        }
        tasks.tell(before: number, handle)
        records += UInt64(count)
        return Int(count)
    }

    /// As the recorder counted it last; what cannot be decoded is counted anew, because that may have got better.
    public func loss() -> Loss {
        var loss = counts.loss
        loss.undecodable = undecodable + counts.malformed
        loss.unrecorded = reader.account.missingRecords
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
