// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Writes a recording: collects records, and writes them in blocks of up to 256 KiB, at least once an interval.
///
/// What it cannot write it counts, and goes on. Nothing is allocated for a record.
public final class RecordingWriter<Redactor: PayloadRedactor>: RecordingTap {
    /// What was recorded so far.
    public private(set) var summary = RecordingSummary()
    /// What the recording says of itself.
    public let description: RecordingDescription
    /// Why the newest block was not written; nil: it was.
    private(set) var refusal: RecordingRefusal?
    /// What it knows of the messages that are under way.
    private(set) var redactor: Redactor
    private var output: (any RecordingOutput)?
    /// For whoever is told of it.
    private let path: String
    /// Longest time between two blocks, ns.
    private let interval: Nanoseconds
    /// Somebody reads along, and is told the time where nothing else is to be told.
    private let isLive: Bool
    /// Says one sentence to the user.
    private let say: (String) -> Void

    private let batch: UnsafeMutableRawBufferPointer
    private let block: UnsafeMutableRawBufferPointer
    private let deflater: Deflater
    private var used = 0
    /// Of the block that is being collected: how many records, and their times.
    private var next = BlockHeader()
    private var untoldDescriptions = 2
    private var processes = FieldWriter()
    private var tasks = FieldWriter()
    private var taskCount: UInt32 = 0
    private var anchor: ClockAnchor
    private var toldAnchor: ClockAnchor
    private var toldCounts = RecordedCounts()
    private var nextWrite: Nanoseconds = 0
    private var nextLoss: Nanoseconds = 0
    /// Nothing more can be written.
    private var isFull = false
    /// Each of them is said once.
    private var (hasFailed, hasResumed) = (false, false)

    /// Creates the file (`RecordingFile`) and writes the description.
    ///
    /// - Parameters:
    ///   - path: of the file.
    ///   - description: of the run.
    ///   - longest: bound of the file's size, bytes.
    ///   - redactor: takes the payload out of the records.
    ///   - interval: longest time between two blocks, ns: what `kill -9` takes with it.
    ///   - say: is given a sentence when something cannot be written, and when it can again.
    /// - Throws: `CaptureError` where the file cannot be created.
    public convenience init(
        path: String, description: RecordingDescription, longest: UInt64, redactor: Redactor,
        interval: Nanoseconds = 1_000_000_000, say: @escaping (String) -> Void
    ) throws(CaptureError) {
        let file = try RecordingFile(path: path, longest: longest)
        try self.init(file, path, description, redactor, interval: interval, isLive: false, say: say)
    }

    /// Gives the recording to `sink`, beginning with its description: for whoever reads along (`StreamSource`).
    ///
    /// - Parameters:
    ///   - description: of the run.
    ///   - redactor: takes the payload out of the records.
    ///   - interval: longest time between two blocks, ns; where nothing happens, a block tells the time.
    ///   - sink: is given a whole block, without waiting for anybody, and says whether it took it: the records of one that it
    ///     did not take are counted as dropped. The bytes live no longer than the call.
    /// - Throws: `CaptureError` where there is no memory.
    public convenience init(
        description: RecordingDescription, redactor: Redactor, interval: Nanoseconds = 200_000_000,
        sink: @escaping (UnsafeRawBufferPointer) -> Bool
    ) throws(CaptureError) {
        try self.init(
            RecordingSink(sink), "the stream", description, redactor, interval: interval, isLive: true, say: { _ in })
    }

    init(
        _ output: any RecordingOutput, _ path: String, _ description: RecordingDescription, _ redactor: Redactor,
        interval: Nanoseconds, isLive: Bool, say: @escaping (String) -> Void
    ) throws(CaptureError) {
        guard let deflater = Deflater() else { throw CaptureError(.failed, "cannot record: there is no memory") }
        self.output = output
        // Not before: where it is refused, nobody frees them.
        batch = .allocate(byteCount: RecordingFormat.largestBatch, alignment: 16)
        block = .allocate(byteCount: RecordingFormat.longestBlock, alignment: 16)
        self.deflater = deflater
        self.path = path
        self.description = description
        self.redactor = redactor
        self.interval = interval
        self.isLive = isLive
        self.say = say
        anchor = description.anchor
        toldAnchor = anchor
        next.identity = .random(in: .min ... .max)
        clear()
        _ = writeDescription()
    }

    deinit {
        batch.deallocate()
        block.deallocate()
    }

    /// Takes a record as the ring holds it.
    public func take(_ record: UnsafeRawBufferPointer) {
        guard let wire = WireRecord(record) else { return summary.malformed += 1 }
        guard !isFull else {
            summary.dropped += 1
            next.before += 1
            return
        }
        if used + wire.length > batch.count { write() }
        let end = used + wire.length
        wire.store(record, in: UnsafeMutableRawBufferPointer(rebasing: batch[used..<end]), &redactor)
        used = end
        while used % RecordingFormat.alignment != 0 {
            batch[used] = 0
            used += 1
        }
        next.count += 1
        next.first = min(next.first, wire.header.at_ns)
        next.last = max(next.last, wire.header.at_ns)
    }

    /// Takes what /proc said of a process.
    public func found(_ server: Server) {
        RecordedProcesses.add(server, to: &processes)
        if processes.bytes.count > Self.mostProcessBytes { write() }
        // Still there: there is no room on the disk. Replay will not know their names.
        if processes.bytes.count > Self.mostProcessBytes { processes = FieldWriter() }
    }

    /// Takes what was told of tasks behind the records that it took so far.
    public func take(_ told: TaskEvent) {
        if tasks.bytes.count > Self.mostTaskBytes { write() }
        // Still there: there is no room on the disk.
        if tasks.bytes.count > Self.mostTaskBytes { clearTasks() }
        RecordedTasks.add(RecordedTasks.Entry(place: next.before + UInt64(next.count), event: told), to: &tasks)
        taskCount += 1
    }

    /// After each drain: once an interval, what was collected is written.
    public func tick(at now: Nanoseconds, anchor: ClockAnchor, loss: () -> Loss) {
        self.anchor = anchor
        guard now >= nextWrite else { return }
        nextWrite = now + interval
        let told = next.sequence
        write()
        if now >= nextLoss {
            nextLoss = now + 1_000_000_000
            writeLoss(loss(), at: now)
        }
        if isLive, next.sequence == told { _ = emit(.anchor, anchor.fields, at: now) }
    }

    private func writeLoss(_ loss: Loss, at now: Nanoseconds) {
        let counts = counts(loss)
        if counts != toldCounts, emit(.loss, counts.fields, at: now) { toldCounts = counts }
    }

    /// Writes what was collected so far.
    func flush() { write() }

    /// Writes what is left and the end, and closes the file. What it is given from then on is counted as dropped.
    public func finish(at now: Nanoseconds, anchor: ClockAnchor, loss: Loss) {
        self.anchor = anchor
        write()
        _ = writeAnchor()
        summary.hasEnd = emit(.end, counts(loss).fields, at: now)
        if let code = output?.close() { say("cannot close the recording \(path): \(describe(errno: code))") }
        output = nil
        isFull = true
    }

    private func counts(_ loss: Loss) -> RecordedCounts {
        var counts = RecordedCounts()
        counts.loss = loss
        counts.loss.undecodable = 0
        counts.dropped = summary.dropped
        counts.malformed = summary.malformed
        return counts
    }

    /// Writes the records that were collected, behind what is needed to read them; or counts them as dropped.
    private func write() {
        guard next.count > 0 else {
            // Names of many processes may come before any record.
            let isMuch = taskCount > 0 || processes.bytes.count > Self.mostProcessBytes
            if isMuch, writeDescription(), writeAnchor(), writeProcesses() { _ = writeTasks() }
            return
        }
        let records = UnsafeRawBufferPointer(rebasing: batch[..<used])
        let room = UnsafeMutableRawBufferPointer(rebasing: block[RecordingFormat.headerBytes...])
        let count = UInt64(next.count)
        if writeDescription(), writeAnchor(), writeProcesses(), writeTasks(),
            let length = deflater.deflate(records, into: room),
            emit(.records, length: length, inflatedLength: used)
        {
            summary.records += count
            summary.recordBytes += UInt64(used)
        } else {
            summary.dropped += count
        }
        next.before += count
        clear()
    }

    private func clear() {
        used = 0
        next.count = 0
        next.first = .max
        next.last = 0
    }

    private func writeDescription() -> Bool {
        while untoldDescriptions > 0 {
            guard emit(.description, description.fields, at: description.anchor.monotonic) else { return false }
            untoldDescriptions -= 1
        }
        return true
    }

    private func writeAnchor() -> Bool {
        guard anchor != toldAnchor else { return true }
        guard emit(.anchor, anchor.fields, at: anchor.monotonic) else { return false }
        toldAnchor = anchor
        return true
    }

    private func writeProcesses() -> Bool {
        guard !processes.bytes.isEmpty else { return true }
        guard emit(.processes, processes.bytes, at: anchor.monotonic) else { return false }
        processes = FieldWriter()
        return true
    }

    private func writeTasks() -> Bool {
        guard taskCount > 0 else { return true }
        let room = UnsafeMutableRawBufferPointer(rebasing: block[RecordingFormat.headerBytes...])
        let length = tasks.bytes.withUnsafeBytes { deflater.deflate($0, into: room) }
        guard let length,
            emit(.tasks, length, inflatedLength: tasks.bytes.count, count: taskCount, at: anchor.monotonic)
        else { return false }
        clearTasks()
        return true
    }

    private func clearTasks() { (tasks, taskCount) = (FieldWriter(), 0) }

    /// A block of fields.
    private func emit(_ kind: RecordingFormat.Kind, _ fields: [UInt8], at time: Nanoseconds) -> Bool {
        guard fields.count <= RecordingFormat.largestBatch else { return false }
        UnsafeMutableRawBufferPointer(rebasing: block[RecordingFormat.headerBytes...]).copyBytes(from: fields)
        return emit(kind, fields.count, inflatedLength: fields.count, count: 0, at: time)
    }

    /// A block between the records, whose payload is in place.
    private func emit(
        _ kind: RecordingFormat.Kind, _ length: Int, inflatedLength: Int, count: UInt32, at time: Nanoseconds
    ) -> Bool {
        let collected = next
        defer { (next.count, next.first, next.last) = (collected.count, collected.first, collected.last) }
        (next.count, next.first, next.last) = (count, UInt64(time), UInt64(time))
        return emit(kind, length: length, inflatedLength: inflatedLength)
    }

    /// The block whose payload is in place.
    private func emit(_ kind: RecordingFormat.Kind, length: Int, inflatedLength: Int) -> Bool {
        let end = RecordingFormat.headerBytes + length
        next.kind = kind.rawValue
        next.length = UInt32(end)
        next.inflatedLength = UInt32(inflatedLength)
        next.payloadChecksum = checksum(UnsafeRawBufferPointer(rebasing: block[RecordingFormat.headerBytes..<end]))
        next.store(in: block)
        let whole = UnsafeRawBufferPointer(rebasing: block[..<end])
        refusal = output?.append(whole, isLast: kind == .end)
        if let refusal {
            take(refusal)
            return false
        }
        if hasFailed, !hasResumed, kind != .end {
            hasResumed = true
            say("the recording \(path) goes on; \(summary.dropped) records were dropped")
        }
        next.sequence += 1
        summary.bytes = output?.length ?? summary.bytes
        return true
    }

    /// A full disk is told once, not once a second.
    private func take(_ refusal: RecordingRefusal) {
        switch refusal {
        case .failed(let code) where !hasFailed:
            hasFailed = true
            say(
                "cannot write the recording \(path): \(describe(errno: code)); tracing goes on, and what is dropped is "
                    + "counted until there is room")
        case .full where !isFull:
            isFull = true
            say(
                "the recording \(path) has reached its largest size; tracing goes on, and what is dropped from here on is "
                    + "counted (--max-size allows more)")
        default: break
        }
    }

    private static var mostProcessBytes: Int { 64 << 10 }
    private static var mostTaskBytes: Int { 128 << 10 }
}
