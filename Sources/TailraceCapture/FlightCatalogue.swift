// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// The segments of a flight recording's directory, the pinned ones among them, oldest first.
public struct FlightCatalogue {
    /// One of them.
    struct Segment {
        let name: FlightName
        let path: String
        /// When it was written last, ns since 1970.
        let changed: Int64

        /// What it says of itself, from its first bytes; nil: it cannot be read.
        var description: RecordingDescription? {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            return withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 8) { bytes in
                let count = read(descriptor, bytes.baseAddress, bytes.count)
                let head = UnsafeRawBufferPointer(rebasing: bytes[..<max(0, count)])
                guard let header = BlockHeader(head), header.isPlausible, Int(header.length) <= head.count,
                    let block = RecordedBlock(header, head)
                else { return nil }
                return try? RecordingReplay.description(path, block)
            }
        }
    }
    let directory: String
    private(set) var segments: [Segment] = []

    /// - Parameter directory: where the segments are.
    /// - Throws: `CaptureError` of kind `unreadable`: it cannot be read, or has none.
    public init(directory: String) throws(CaptureError) {
        self.directory = directory
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let code = errno
            throw CaptureError.unreadable(
                directory, describe(errno: code),
                code == EACCES ? "run as root, or as a member of the directory's group" : "give the daemon's directory")
        }
        close(descriptor)
        var found: [FlightName: Segment] = [:]
        for place in [directory + "/pinned", directory] {
            let descriptor = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            for text in names(below: descriptor) {
                var status = stat()
                guard let name = FlightName(text), fstatat(descriptor, text, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                    continue
                }
                let seconds = FlightName.clamped(Int64(status.st_mtim.tv_sec))
                let changed = seconds * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
                found[name] = Segment(name: name, path: place + "/" + text, changed: changed)
            }
        }
        segments = found.values.sorted { $0.name < $1.name }
        guard !segments.isEmpty else {
            throw CaptureError.unreadable(
                directory, "no segment of a flight recording is there",
                "give the daemon's directory, or a file of `tailrace record`")
        }
    }

    /// From when to when it has something, ns since 1970.
    public var span: ClosedRange<Int64> {
        let begin = segments.map { $0.name.begin * 1_000_000_000 }.min() ?? 0
        return begin...max(begin, segments.map(\.changed).max() ?? 0)
    }

    /// Why nothing is read: what is there, from when to when.
    func nothing(in range: ClosedRange<Int64>?, isThere: Bool) -> CaptureError {
        guard let range, !isThere else {
            return CaptureError.unreadable(directory, "none of its segments can be read", "see whose they are")
        }
        let there = "\(Self.local(span.lowerBound)) to \(Self.local(span.upperBound))"
        return CaptureError(
            .unreadable,
            "nothing was recorded from \(Self.local(range.lowerBound)) to \(Self.local(range.upperBound)): what is in "
                + "\(directory) is from \(there); give a time of then (--at), or more around it (--within)")
    }

    /// Local time, for people: `2026-11-24 03:12:30`.
    private static func local(_ wall: Int64) -> String {
        var (seconds, parts) = (time_t(wall / 1_000_000_000), tm())
        localtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%d %H:%M:%S", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Those that may have something of this time, ns since 1970.
    func covering(_ range: ClosedRange<Int64>) -> [Segment] {
        segments.filter { segment in
            // Its name says seconds, and what it has of the last one is written later.
            segment.name.begin * 1_000_000_000 <= range.upperBound
                && segment.changed + 2_000_000_000 >= range.lowerBound
        }
    }
}
