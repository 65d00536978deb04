// SPDX-License-Identifier: MIT
import Glibc

/// A file, read piece by piece; its size is the one that it had when it was opened.
struct FileWindow: ~Copyable {
    let size: UInt64
    private let path: String
    private let descriptor: Int32
    private let buffer: UnsafeMutableRawBufferPointer
    private var start: UInt64 = 0
    private var filled = 0

    init(path: String) throws(CaptureError) {
        // Not waiting: it may be a pipe.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw CaptureError.unreadable(path, describe(errno: errno), "give the file that `tailrace record -o` wrote")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            Glibc.close(descriptor)
            throw CaptureError.unreadable(path, "it is no file", "give the file that `tailrace record -o` wrote")
        }
        self.path = path
        self.descriptor = descriptor
        size = UInt64(max(0, status.st_size))
        buffer = .allocate(byteCount: 2 * RecordingFormat.longestBlock, alignment: 16)
    }

    deinit {
        Glibc.close(descriptor)
        buffer.deallocate()
    }

    /// `count` bytes at `offset`, fewer where the file ends. They live until the next call.
    mutating func bytes(at offset: UInt64, count: Int) throws(CaptureError) -> UnsafeRawBufferPointer {
        let end = start + UInt64(filled)
        if offset < start || offset > end || (end - offset < UInt64(count) && end < size) { try fill(from: offset) }
        let begin = Int(offset - start)
        guard begin < filled else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: buffer[begin..<min(begin + count, filled)])
    }

    private mutating func fill(from offset: UInt64) throws(CaptureError) {
        start = offset
        filled = 0
        let wanted = Int(min(UInt64(buffer.count), size - min(start, size)))
        while filled < wanted {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<wanted])
            let count = pread(descriptor, rest.baseAddress, rest.count, off_t(start) + off_t(filled))
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw CaptureError.unreadable(
                    path, "\(describe(errno: errno)) at byte \(start + UInt64(filled))",
                    "copy what can be read of it, and try that")
            }
            filled += count
        }
    }

    /// Where `bytes` next stand, at `offset` or behind it.
    mutating func find(_ bytes: [UInt8], from offset: UInt64) throws(CaptureError) -> UInt64? {
        var offset = offset
        while offset < size, size - offset >= UInt64(bytes.count) {
            let piece = try self.bytes(at: offset, count: buffer.count / 2)
            guard piece.count >= bytes.count else { return nil }
            if let place = piece.position(of: bytes) { return offset + UInt64(place) }
            offset += UInt64(piece.count - bytes.count + 1)
        }
        return nil
    }
}

extension UnsafeRawBufferPointer {
    /// Where `bytes`, which are not empty, stand as a whole.
    fileprivate func position(of bytes: [UInt8]) -> Int? {
        guard let base = baseAddress, let first = bytes.first else { return nil }
        var place = 0
        while count - place >= bytes.count,
            let found = memchr(base + place, Int32(first), count - place - bytes.count + 1)
        {
            place = UnsafeRawPointer(found) - base
            if memcmp(found, bytes, bytes.count) == 0 { return place }
            place += 1
        }
        return nil
    }
}

extension CaptureError {
    /// `why`, and `what` to do.
    static func unreadable(_ path: String, _ why: String, _ what: String) -> CaptureError {
        CaptureError(.unreadable, "cannot read the recording \(path): \(why); \(what)")
    }
}
