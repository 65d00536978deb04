// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Keeps the last minutes on the disk, within a budget, in segments that are recordings by themselves; and for longer what
/// was recorded around findings.
///
/// Nothing is ever waited for: no `fsync`. What was written survives the end of this process at any moment; after a loss
/// of power the checksums tell what is whole, and at most what the kernel had not written yet (half a minute) is missing. To be
/// sure of that half minute, the tracing thread would wait for the disk just when the disk is what is wrong.
///
/// What cannot be written is counted, exactly; it goes on by itself with a new segment. Used from one thread; the time is passed in.
public final class FlightRecorder<Redactor: PayloadRedactor>: RecordingTap {
    /// Of what is recorded next: the target may change.
    public var description: RecordingDescription
    /// While it is paused, what comes is counted as dropped; it goes on by itself afterwards.
    public var isPaused = false {
        didSet {
            guard isPaused != oldValue else { return }
            if isPaused {
                endSegment()
                finished.problem = "it is paused"
            } else {
                nextTry = now
            }
        }
    }
    private let path: String
    private let limits: FlightLimits
    private let segmentBytes: UInt64
    private let late: LateRecording
    private let fresh: Redactor
    private let say: (String) -> Void
    private let boot: String
    private let run = UInt64.random(in: 1 ... .max)
    private var handle: LateRecording.Handle?
    private var directory: FlightDirectory?
    private var pins: FlightPins
    private var writer: RecordingWriter<Redactor>?
    private var segment = RecordingSegment()
    private var begin: Nanoseconds = 0
    private var now: Nanoseconds
    private var anchor: ClockAnchor
    /// The kernel side's counters, and what they were when the segment began.
    private var loss = Loss()
    private var lossBefore = Loss()
    private var nextCheck: Nanoseconds = 0
    /// Of all segments but the one that is being written.
    private var finished = FlightAccount()
    /// errno of what stopped it, when it is tried again, and how long it waits then, ns.
    private var failure: Int32?
    private var nextTry: Nanoseconds = 0
    private var patience = shortest
    private static var shortest: Nanoseconds { 1_000_000_000 }
    private static var longest: Nanoseconds { 32_000_000_000 }

    /// Opens the directory, and begins to record.
    ///
    /// - Parameters:
    ///   - path: of the directory; made if it is not there.
    ///   - limits: how much is kept.
    ///   - description: of the run.
    ///   - late: knows what is open, and feeds this from here on.
    ///   - redactor: takes the payload out of the records.
    ///   - anchor: both clocks, now.
    ///   - say: is given a sentence when recording stops, and when it goes on.
    /// - Throws: `CaptureError` where the directory cannot be written to, or another recorder does. A full disk is no error.
    public init(
        path: String, limits: FlightLimits, description: RecordingDescription, late: LateRecording, redactor: Redactor,
        anchor: ClockAnchor, say: @escaping (String) -> Void
    ) throws(CaptureError) {
        directory = try FlightDirectory(path: path, limits: limits, anchor: anchor)
        self.limits = limits
        self.description = description
        self.late = late
        fresh = redactor
        self.say = say
        self.anchor = anchor
        self.path = path
        now = anchor.monotonic
        boot = bootName()
        pins = FlightPins(limits)
        segmentBytes = limits.segmentBytes
        beginSegment(fresh)
        if let code = failure, [EACCES, EPERM, EROFS, ENOENT].contains(code) {
            throw CaptureError(
                .failed,
                "cannot keep a flight recording in \(path): \(describe(errno: code)); "
                    + "give a directory that may be written (flight-directory)")
        }
        handle = late.add(self)
    }

    /// What is on the disk, and what is not.
    public var account: FlightAccount {
        var account = finished
        account.isRecording = writer != nil
        if let summary = writer?.summary {
            account.records += summary.records - min(summary.records, segment.announced)
            account.dropped += summary.dropped
            account.written += summary.bytes
        }
        account.pins = pins.count
        directory?.count(in: &account)
        return account
    }

    // MARK: - What is recorded

    /// Takes a record as the ring holds it.
    public func take(_ record: UnsafeRawBufferPointer) {
        guard let writer else { return drop(record) }
        writer.take(record)
        // Not while it has little but announcements: those of many connections may be larger than a segment should be.
        if writer.summary.bytes >= segmentBytes, writer.summary.records >= 2 * segment.announced { rotate() }
    }

    private func drop(_ record: UnsafeRawBufferPointer) {
        guard WireRecord(record) != nil else { return }
        finished.dropped += 1
        noteDrop()
    }

    private func noteDrop() {
        guard finished.droppedSince == nil else { return }
        finished.droppedSince = anchor.wall(at: now)
        finished.gaps += 1
    }

    /// Takes what /proc said of a process.
    public func found(_ server: Server) { writer?.found(server) }

    /// Takes what was told of tasks.
    public func take(_ told: TaskEvent) { writer?.take(told) }

    /// What was told of a finding: where it is a warning or worse, what was recorded around it is kept for longer.
    public func take(_ finding: Finding) {
        guard let begin = pins.take(finding), let directory else { return }
        pins.keep(directory.pin(from: begin), for: finding.id)
        if let pin = pins.open[finding.id] { note(pin) }
    }

    /// After each drain.
    public func tick(at now: Nanoseconds, anchor: ClockAnchor, loss: () -> Loss) {
        (self.now, self.anchor) = (now, anchor)
        writer?.tick(
            at: now, anchor: anchor,
            loss: {
                self.loss = loss()
                return self.loss.since(lossBefore)
            })
        if let refusal = writer?.refusal { fail(refusal) }
        if now >= nextCheck {
            nextCheck = now + 1_000_000_000
            check()
        }
        if writer != nil, now - begin >= limits.segment {
            self.loss = loss()
            rotate()
        }
        for pin in pins.takeOver(at: now) { note(pin) }
    }

    /// Ends the segment, and with it the recording.
    public func finish(at now: Nanoseconds, anchor: ClockAnchor, loss: Loss) {
        (self.now, self.anchor, self.loss) = (now, anchor, loss)
        if let handle { late.end(handle) }
        endSegment()
        for pin in pins.open.values { note(pin) }
        directory?.count(in: &finished)
        directory = nil
    }

    private func note(_ pin: FlightPins.Pin) {
        if !pin.names.isEmpty { directory?.note(pin.stem, pin.json(anchor)) }
    }

    // MARK: - Segments

    /// Goes on in a new segment, with what is known of messages that are under way.
    private func rotate() {
        let redactor = writer?.redactor
        endSegment()
        beginSegment(redactor ?? fresh)
    }

    private func beginSegment(_ redactor: Redactor) {
        begin = max(now, begin)
        let wall = anchor.wall(at: begin)
        guard let directory else { return }
        guard let file = directory.create(begin: begin, wall: wall) else { return stop(errno) }
        let writer = announced(file, redactor, wall)
        if let refusal = writer?.refusal {
            directory.abandon()
            return stop(refusal.code)
        }
        guard let writer, writer.summary.dropped == 0 else {
            directory.abandon()
            return stop(ENOMEM)
        }
        if let code = directory.publish() {
            directory.abandon()
            return stop(code)
        }
        lossBefore = loss
        self.writer = writer
        if !pins.open.isEmpty, let name = directory.pinCurrent() {
            pins.keep([name])
            for pin in pins.open.values { note(pin) }
        }
        resume()
    }

    /// A segment with everything that is needed to read it by itself, as far as it could be written.
    private func announced(_ file: FlightSegment, _ redactor: Redactor, _ wall: Int64) -> RecordingWriter<Redactor>? {
        segment.run = run
        segment.boot = boot
        segment.number += 1
        segment.before = finished.records + finished.dropped
        segment.announced = UInt64(late.announcements)
        var described = description
        described.anchor = ClockAnchor(monotonic: begin, wall: wall)
        described.segment = segment
        let writer = try? RecordingWriter(
            file, path, described, redactor, interval: 1_000_000_000, isLive: false, say: { _ in })
        guard let writer, writer.refusal == nil else { return writer }
        late.announce(to: writer, at: begin)
        writer.flush()
        return writer
    }

    private func endSegment() {
        guard let writer else { return }
        writer.finish(at: now, anchor: anchor, loss: loss.since(lossBefore))
        self.writer = nil
        let summary = writer.summary
        finished.records += summary.records - min(summary.records, segment.announced)
        finished.dropped += summary.dropped
        finished.written += summary.bytes
        if summary.dropped > 0 { noteDrop() }
        directory?.finish(bytes: summary.bytes, end: now)
        pins.finish(bytes: onDisk(summary.bytes), at: now)
    }

    private func fail(_ refusal: RecordingRefusal) {
        endSegment()
        stop(refusal.code)
    }

    private func stop(_ code: Int32) {
        // One that lasted was no failure of the same kind.
        patience = now - begin > 10_000_000_000 ? Self.shortest : min(2 * patience, Self.longest)
        nextTry = now + patience
        failure = code
        let why = code == ESTALE ? "it is not there any more" : describe(errno: code)
        defer { finished.problem = why }
        guard finished.problem == nil else { return }
        say(
            "cannot keep the flight recording in \(path): \(why); tracing goes on, and what is not recorded is counted until "
                + "there is room")
    }

    private func resume() {
        (finished.droppedSince, failure) = (nil, nil)
        guard finished.problem != nil else { return }
        finished.problem = nil
        say("the flight recording in \(path) goes on; \(finished.dropped) records are not in it")
    }

    /// Once a second: whether the directory is there, and whether what failed can go on.
    private func check() {
        if directory?.isThere == false { lose() }
        guard writer == nil, !isPaused, now >= nextTry else { return }
        if directory == nil { directory = try? FlightDirectory(path: path, limits: limits, anchor: anchor) }
        if directory?.hasRoom == true { beginSegment(fresh) }
    }

    /// The directory is gone, and what was being written with it.
    private func lose() {
        let before = finished.records
        endSegment()
        let lost = finished.records - before
        (finished.records, finished.dropped) = (before, finished.dropped + lost)
        if lost > 0 { noteDrop() }
        var gone = FlightAccount()
        directory?.count(in: &gone)
        finished.removed += gone.removed
        finished.pinnedRemoved += gone.pinnedRemoved
        directory = nil
        stop(ESTALE)
        nextTry = now
    }
}

extension RecordingRefusal {
    fileprivate var code: Int32 { if case .failed(let code) = self { code } else { EFBIG } }
}

/// The kernel's name for this boot; empty where it has none.
private func bootName() -> String {
    let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 36)
    let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    return count == 36 ? String(decoding: bytes, as: UTF8.self) : ""
}
