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
                let changed = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
                found[name] = Segment(name: name, path: place + "/" + text, changed: changed)
            }
        }
        segments = found.values.sorted { $0.name < $1.name }
        guard !segments.isEmpty else {
            throw CaptureError.unreadable(
                directory, "no segment of a flight recording is there", "give the daemon's directory, or a recording")
        }
    }

    /// From when to when it has something, ns since 1970.
    public var span: ClosedRange<Int64> {
        let begin = segments.map { $0.name.begin * 1_000_000_000 }.min() ?? 0
        return begin...max(begin, segments.map(\.changed).max() ?? 0)
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
