// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// One directory of segments, oldest first: what is in it, and what it takes on the disk. Names are looked up below its
/// descriptor, and nothing is followed.
struct FlightFolder: ~Copyable {
    /// A segment that is finished.
    struct Segment {
        let name: FlightName
        /// On the disk.
        let bytes: UInt64
        /// Monotonic times, ns: those of an earlier run by its wall time.
        let begin: Nanoseconds
        let end: Nanoseconds
    }
    let descriptor: Int32
    private(set) var segments: [Segment] = []
    /// Of all of them.
    private(set) var bytes: UInt64 = 0

    /// Takes over the descriptor, and finds what is there.
    ///
    /// - Parameters:
    ///   - descriptor: of the directory.
    ///   - anchor: both clocks now.
    init(descriptor: Int32, anchor: ClockAnchor) {
        self.descriptor = descriptor
        var found: [(name: FlightName, bytes: UInt64, end: Int64)] = []
        for text in names(below: descriptor) {
            var status = stat()
            guard let name = FlightName(text), fstatat(descriptor, text, &status, AT_SYMLINK_NOFOLLOW) == 0,
                status.st_mode & S_IFMT == S_IFREG
            else { continue }
            // What was kept for a last block that never came is beyond the size.
            let size = max(UInt64(max(0, status.st_size)), UInt64(max(0, status.st_blocks)) * 512)
            found.append((name, onDisk(size), FlightName.clamped(Int64(status.st_mtim.tv_sec))))
        }
        found.sort { $0.name < $1.name }
        for one in found {
            let begin = one.name.begin * 1_000_000_000 - anchor.wall + anchor.monotonic
            let end = one.end * 1_000_000_000 - anchor.wall + anchor.monotonic
            add(Segment(name: one.name, bytes: one.bytes, begin: begin, end: max(begin, end + 1_000_000_000)))
        }
    }

    deinit { close(descriptor) }

    /// Adds one in its place.
    mutating func add(_ segment: Segment) {
        segments.insert(segment, at: place(of: segment.name))
        bytes += segment.bytes
    }

    /// Takes the oldest one away; nil: there is none, or it cannot be.
    mutating func removeOldest() -> Segment? {
        guard let oldest = segments.first else { return nil }
        guard unlinkat(descriptor, oldest.name.description, 0) == 0 || errno == ENOENT else { return nil }
        segments.removeFirst()
        bytes -= oldest.bytes
        return oldest
    }

    /// Takes one away that is not among the segments.
    func remove(_ name: String) { unlinkat(descriptor, name, 0) }

    /// Whether it has this one.
    func holds(_ name: FlightName) -> Bool {
        let place = place(of: name)
        return place < segments.count && segments[place].name == name
    }

    /// Of the first one that is not older.
    private func place(of name: FlightName) -> Int {
        var (low, high) = (0, segments.count)
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].name < name { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// What so many bytes take on a disk: whole pages, and of a file of some size one more, that says where the others lie (ext4 counts it).
func onDisk(_ bytes: UInt64) -> UInt64 { (bytes + 4095) & ~4095 + (bytes > 65536 ? 4096 : 0) }

/// What is in a directory.
func names(below descriptor: Int32) -> [String] {
    // A descriptor of its own: closing the stream closes it.
    let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let stream = fdopendir(copy) else {
        if copy >= 0 { close(copy) }
        return []
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        names.append(
            withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    return names
}
