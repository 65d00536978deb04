// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// The directory of a flight recorder, and what of the budget each byte takes: asked before anything is written, so that
/// nothing is ever beyond it. Whatever is in it at any moment is all that is known after a crash.
final class FlightDirectory {
    let path: String
    private let limits: FlightLimits
    private var folder: FlightFolder
    private var pinned: FlightFolder
    /// What is being written, and what it takes on the disk.
    private var current: (name: FlightName, begin: Nanoseconds, bytes: UInt64, isPinned: Bool)?
    private var nextNumber: UInt64 = 1
    private(set) var removed: UInt64 = 0
    private(set) var pinnedRemoved: UInt64 = 0
    /// What says which finding pinned what, the oldest first.
    private var notes: [String] = []
    private static let (draft, noteDraft) = (".segment", ".note")
    private static let mostNotes = 64
    private static let noteBytes: UInt64 = 4096

    /// Opens it, makes it if it is not there (0750), and brings what an earlier run left within the budget.
    ///
    /// - Throws: `CaptureError` where it cannot be written to, or another recorder does.
    init(path: String, limits: FlightLimits, anchor: ClockAnchor) throws(CaptureError) {
        self.path = path
        self.limits = limits
        let main = try Self.open(path)
        let below = try Self.openPinned(in: main, path)
        folder = FlightFolder(descriptor: main, anchor: anchor)
        pinned = FlightFolder(descriptor: below, anchor: anchor)
        folder.remove(Self.draft)
        pinned.remove(Self.noteDraft)
        notes = names(below: below).filter { $0.hasSuffix(".json") }.sorted()
        nextNumber = 1 + max(folder.segments.last?.name.number ?? 0, pinned.segments.last?.name.number ?? 0)
        while folder.bytes > limits.bytes, folder.removeOldest() != nil { removed += 1 }
        while pinnedBytes > limits.pinnedBytes, removeOldestPinned() {}
    }

    private static func open(_ path: String) throws(CaptureError) -> Int32 {
        func refused(_ why: String, _ what: String) -> CaptureError {
            CaptureError(.failed, "cannot keep a flight recording in \(path): \(why); \(what) (flight-directory)")
        }
        mkdir(path, 0o750)
        // A link may lead to it: what counts is whose it is.
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw refused(describe(errno: errno), "give a directory that may be written") }
        var status = stat()
        if fstat(descriptor, &status) != 0 || status.st_uid != geteuid() && status.st_uid != 0
            || status.st_mode & 0o022 != 0
        {
            close(descriptor)
            throw refused("others may write there", "give a directory that is the daemon's own")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw refused("another tailrace records into it", "end that one, or give another directory")
        }
        return descriptor
    }

    private static func openPinned(in main: Int32, _ path: String) throws(CaptureError) -> Int32 {
        mkdirat(main, "pinned", 0o750)
        let descriptor = openat(main, "pinned", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            let code = errno
            close(main)
            throw CaptureError(
                .failed,
                "cannot keep a flight recording in \(path)/pinned: \(describe(errno: code)); "
                    + "give a directory that may be written (flight-directory)")
        }
        return descriptor
    }

    /// Whether its path still leads to it: it may have been moved or unmounted.
    var isThere: Bool {
        var (named, opened) = (stat(), stat())
        return stat(path, &named) == 0 && fstat(folder.descriptor, &opened) == 0 && named.st_dev == opened.st_dev
            && named.st_ino == opened.st_ino
    }

    // MARK: - What is written

    /// Begins a segment under a name that no reader looks for. errno where it cannot be.
    func create(begin: Nanoseconds, wall: Int64) -> FlightSegment? {
        let name = FlightName(begin: wall / 1_000_000_000, number: nextNumber)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        unlinkat(folder.descriptor, Self.draft, 0)
        let descriptor = openat(folder.descriptor, Self.draft, flags, 0o640)
        guard descriptor >= 0 else { return nil }
        fchmod(descriptor, 0o640)
        current = (name, begin, 0, false)
        return FlightSegment(self, RecordingFile(descriptor: descriptor, longest: .max >> 1))
    }

    /// From now on it is there: it can be read by itself. errno where that cannot be.
    func publish() -> Int32? {
        guard let current else { return EINVAL }
        let name = current.name.description
        guard renameat(folder.descriptor, Self.draft, folder.descriptor, name) == 0 else { return errno }
        nextNumber += 1
        return nil
    }

    /// The segment that was begun was not published, and is not to be.
    func abandon() {
        unlinkat(folder.descriptor, Self.draft, 0)
        current = nil
    }

    /// The segment that was published is closed, with so many bytes.
    func finish(bytes: UInt64, end: Nanoseconds) {
        guard let current else { return }
        let segment = FlightFolder.Segment(
            name: current.name, bytes: onDisk(bytes), begin: current.begin, end: end)
        folder.add(segment)
        if current.isPinned { pinned.add(segment) }
        self.current = nil
    }

    /// Makes room for the segment that is being written, before it grows to `length` bytes. errno where there is none.
    func makeRoom(for length: UInt64) -> Int32? {
        guard let known = current?.bytes, onDisk(length) > known else { return nil }
        let wanted = onDisk(length)
        while folder.bytes + wanted > limits.bytes { guard removeOldest() != nil else { return ENOSPC } }
        while current?.isPinned == true, pinnedBytes + wanted - known > limits.pinnedBytes {
            if !removeOldestPinned() { unpinCurrent() }
        }
        guard keepFree(wanted - known) else { return ENOSPC }
        current?.bytes = wanted
        return nil
    }

    /// Where the file system is about to be full, a segment grows only in the place of older ones.
    private func keepFree(_ growth: UInt64) -> Bool {
        guard let free, free.available < growth + free.kept else { return true }
        var freed: UInt64 = 0
        while freed < growth {
            guard let oldest = removeOldest() else { return false }
            if !pinned.holds(oldest.name) { freed += oldest.bytes }
        }
        return true
    }

    /// Whether a segment may be begun where writing failed before: there is so much room that it lasts for a while.
    var hasRoom: Bool { free.map { $0.available > $0.kept + min(limits.segmentBytes, 1 << 20) } ?? true }

    /// Bytes of the file system that anybody may use, and of those that are left; nil: it does not say.
    private var free: (available: UInt64, kept: UInt64)? {
        var status = statvfs()
        guard fstatvfs(folder.descriptor, &status) == 0, status.f_frsize > 0, status.f_blocks > 0 else { return nil }
        let total = Double(status.f_blocks) * Double(status.f_frsize)
        return (UInt64(status.f_bavail) * UInt64(status.f_frsize), UInt64(total * min(max(limits.keptFree, 0), 1)))
    }

    private func removeOldest() -> FlightFolder.Segment? {
        guard let oldest = folder.removeOldest() else { return nil }
        removed += 1
        return oldest
    }

    // MARK: - What is pinned

    /// Pins what was recorded from `begin` on, the segment that is being written too.
    ///
    /// - Returns: what is pinned of it now.
    func pin(from begin: Nanoseconds) -> [FlightName] {
        var names: [FlightName] = []
        for segment in folder.segments.reversed() {
            guard segment.end >= begin else { break }
            if pin(segment) { names.append(segment.name) }
        }
        names.reverse()
        if let name = pinCurrent() { names.append(name) }
        return names
    }

    /// What is pinned already and older makes room for it, never what is newer.
    private func pin(_ segment: FlightFolder.Segment) -> Bool {
        if pinned.holds(segment.name) { return true }
        while pinnedBytes + segment.bytes > limits.pinnedBytes {
            guard let oldest = pinned.segments.first, oldest.name < segment.name, removeOldestPinned() else {
                return false
            }
        }
        guard link(segment.name) else { return false }
        pinned.add(segment)
        return true
    }

    /// Pins the segment that is being written.
    func pinCurrent() -> FlightName? {
        guard let segment = current else { return nil }
        if segment.isPinned { return segment.name }
        while pinnedBytes + segment.bytes > limits.pinnedBytes { guard removeOldestPinned() else { return nil } }
        guard link(segment.name) else { return nil }
        current?.isPinned = true
        return segment.name
    }

    private func link(_ name: FlightName) -> Bool {
        linkat(folder.descriptor, name.description, pinned.descriptor, name.description, 0) == 0 || errno == EEXIST
    }

    private func unpinCurrent() {
        guard let name = current?.name else { return }
        pinned.remove(name.description)
        current?.isPinned = false
        pinnedRemoved += 1
    }

    private func removeOldestPinned() -> Bool {
        guard pinned.removeOldest() != nil else { return removeOldestNote() }
        pinnedRemoved += 1
        return true
    }

    /// Writes which finding pinned what, as `stem.json`.
    func note(_ stem: String, _ bytes: [UInt8]) {
        let name = stem + ".json"
        if !notes.contains(name) {
            while notes.count >= Self.mostNotes, removeOldestNote() {}
            while pinnedBytes + Self.noteBytes > limits.pinnedBytes { guard removeOldestPinned() else { return } }
            notes.append(name)
        }
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC
        let descriptor = openat(pinned.descriptor, Self.noteDraft, flags, 0o640)
        guard descriptor >= 0 else { return }
        fchmod(descriptor, 0o640)
        let bytes = bytes.prefix(Int(Self.noteBytes))
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        if count == bytes.count {
            renameat(pinned.descriptor, Self.noteDraft, pinned.descriptor, name)
        } else {
            pinned.remove(Self.noteDraft)
        }
    }

    private func removeOldestNote() -> Bool {
        guard !notes.isEmpty else { return false }
        pinned.remove(notes.removeFirst())
        return true
    }

    /// What is pinned, on the disk.
    var pinnedBytes: UInt64 {
        pinned.bytes + (current?.isPinned == true ? current?.bytes ?? 0 : 0) + UInt64(notes.count) * Self.noteBytes
    }

    /// Adds what is on the disk.
    func count(in account: inout FlightAccount) {
        account.segments = folder.segments.count + (current == nil ? 0 : 1)
        account.bytes = folder.bytes + (current?.bytes ?? 0)
        account.oldest = (folder.segments.first?.name ?? current?.name).map { $0.begin * 1_000_000_000 }
        account.removed += removed
        account.pinnedSegments = pinned.segments.count + (current?.isPinned == true ? 1 : 0)
        account.pinnedBytes = pinnedBytes
        account.pinnedRemoved += pinnedRemoved
    }
}

/// The segment that is being written: a file whose every byte is asked for.
final class FlightSegment: RecordingOutput {
    private unowned let directory: FlightDirectory
    private let file: RecordingFile

    fileprivate init(_ directory: FlightDirectory, _ file: RecordingFile) {
        self.directory = directory
        self.file = file
    }

    var length: UInt64 { file.length }

    func append(_ block: UnsafeRawBufferPointer, isLast: Bool) -> RecordingRefusal? {
        // The last one has its room already.
        let length = file.length + UInt64(block.count) + UInt64(RecordingFile.reserve)
        if !isLast, let code = directory.makeRoom(for: length) { return .failed(code) }
        return file.append(block, isLast: isLast)
    }

    func close() -> Int32? { file.close() }
}
