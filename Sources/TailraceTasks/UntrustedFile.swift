// SPDX-License-Identifier: MIT
import Glibc

/// Why an executable cannot be used: one clause, without the file's name.
struct ImageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A file that somebody else wrote, read piece by piece, never mapped: a file that shrinks is an error, not a signal.
struct UntrustedFile {
    private let descriptor: Int32
    let size: Int
    /// Largest piece. The line tables of the largest servers have some 50 MB.
    static let longestPiece = 256 << 20

    /// Keeps the descriptor, and does not close it.
    init(descriptor: Int32) throws(ImageError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw ImageError("it cannot be examined") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw ImageError("it is no regular file") }
        guard let size = Int(exactly: status.st_size), (0...1 << 40).contains(size) else {
            throw ImageError("its size is not plausible")
        }
        self.descriptor = descriptor
        self.size = size
    }

    /// `length` bytes at `offset`, all of them.
    func bytes(at offset: UInt64, length: UInt64) throws(ImageError) -> UntrustedBytes {
        guard length <= UInt64(Self.longestPiece), offset <= UInt64(size), length <= UInt64(size) - offset else {
            throw ImageError("it points beyond its end")
        }
        var bytes = [UInt8](repeating: 0, count: Int(length))
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress.map { $0 + filled }, $0.count - filled, off_t(offset) + off_t(filled))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw ImageError("it cannot be read") }
            filled += count
        }
        return UntrustedBytes(bytes)
    }
}
