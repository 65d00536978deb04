// SPDX-License-Identifier: MIT
import CZlib
import Glibc

/// The file that a recording is written to: whole blocks or nothing, bounded, with room kept for the last one.
final class RecordingFile: RecordingOutput {
    /// Bytes written: where the next block begins.
    private(set) var length: UInt64 = 0
    /// -1: it is closed.
    private var descriptor: Int32
    private let longest: UInt64
    /// The file system can be asked to keep room; else a full disk is noticed by a short write.
    private var keepsRoom = true
    /// Bytes kept for the last block.
    static let reserve = 4096

    /// Creates `path`, readable by its owner only.
    ///
    /// A file that is there is kept as `path.old`, as perf does it: a recording may be all that is left of an incident. Nothing
    /// is followed, and nothing but a file or a character device (/dev/null) is written to.
    init(path: String, longest: UInt64) throws(CaptureError) {
        self.longest = longest
        var status = stat()
        if lstat(path, &status) == 0 {
            guard let kind = refusal(of: status.st_mode) else {
                descriptor = try openFile(
                    path, status.st_mode & S_IFMT == S_IFCHR ? 0 : O_CREAT | O_EXCL, keeping: status)
                return
            }
            throw CaptureError(
                .failed, "cannot record to \(path): it is \(kind); give a file that is not there yet, or may be renamed"
            )
        }
        descriptor = try openFile(path, O_CREAT | O_EXCL, keeping: nil)
    }

    /// Writes to what is open already, from its beginning on, and closes it.
    init(descriptor: Int32, longest: UInt64) {
        self.descriptor = descriptor
        self.longest = longest
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Writes a block with one call. What could not be written whole is taken back, so that nothing hides what follows.
    func append(_ block: UnsafeRawBufferPointer, isLast: Bool) -> RecordingRefusal? {
        let kept = isLast ? 0 : UInt64(Self.reserve)
        guard length + UInt64(block.count) + kept <= longest else { return .full }
        if !isLast, let code = keepRoom(block.count + Self.reserve) { return .failed(code) }
        var written = 0
        while written < block.count {
            let rest = UnsafeRawBufferPointer(rebasing: block[written...])
            let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(length) + off_t(written))
            if count > 0 {
                written += count
            } else if count == 0 || errno != EINTR {
                let code = count == 0 ? ENOSPC : errno
                if written > 0 { ftruncate(descriptor, off_t(length)) }
                return .failed(code)
            }
        }
        length += UInt64(block.count)
        return nil
    }

    /// errno where there is no room.
    private func keepRoom(_ bytes: Int) -> Int32? {
        guard keepsRoom else { return nil }
        while czlib_keep_room(descriptor, off_t(length), off_t(bytes)) != 0 {
            switch errno {
            case EINTR: continue
            case ENOSPC, EFBIG, EDQUOT, EIO:
                let code = errno
                // The failed try may have taken back what was kept before.
                _ = czlib_keep_room(descriptor, off_t(length), off_t(Self.reserve))
                return code
            default:
                keepsRoom = false
                return nil
            }
        }
        return nil
    }

    /// Gives back what was kept; errno if the system only now says that something was not written.
    func close() -> Int32? {
        guard descriptor >= 0 else { return nil }
        ftruncate(descriptor, off_t(length))
        let result = Glibc.close(descriptor) == 0 ? nil : errno
        descriptor = -1
        return result
    }
}

/// What a thing is that no recording is written to; nil: it may be.
private func refusal(of mode: mode_t) -> String? {
    switch mode & S_IFMT {
    case S_IFREG, S_IFCHR: nil
    case S_IFDIR: "a directory"
    case S_IFLNK: "a symbolic link, which is not followed"
    case S_IFIFO: "a pipe"
    case S_IFSOCK: "a socket"
    default: "no file"
    }
}

private func openFile(_ path: String, _ flags: Int32, keeping earlier: stat?) throws(CaptureError) -> Int32 {
    if let earlier, earlier.st_mode & S_IFMT == S_IFREG, rename(path, path + ".old") != 0 {
        let code = errno
        throw CaptureError(
            .failed,
            "cannot keep \(path) as \(path).old: \(describe(errno: code)); move it away, or record to another file")
    }
    let descriptor = open(path, flags | O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0o600)
    guard descriptor >= 0 else {
        let code = errno
        throw CaptureError(
            .failed,
            "cannot create the recording \(path): \(describe(errno: code)); give a path that may be written (-o)")
    }
    return descriptor
}
