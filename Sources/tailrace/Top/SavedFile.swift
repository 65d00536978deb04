// SPDX-License-Identifier: MIT
import Glibc

/// A file that a key made: readable by its owner only, never over one that is there.
struct SavedFile {
    /// Its directory; nothing else is chosen by anyone but us.
    let directory: String

    /// A name that is not taken yet: `tailrace-20261124-013000.json`.
    func name(wall: Int64, ending: String) -> String {
        var seconds = time_t(wall / 1_000_000_000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        let fields = [parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec].map { number in
            number < 10 ? "0\(number)" : "\(number)"
        }
        let stem = "\(directory)/tailrace-\(parts.tm_year + 1900)\(fields[0])\(fields[1])-" + fields[2...].joined()
        for attempt in 1..<100 {
            let path = stem + (attempt == 1 ? "" : "-\(attempt)") + ending
            if access(path, F_OK) != 0 { return path }
        }
        return stem + ending
    }

    /// Writes it; says in one sentence where it is, or why it is not.
    func save(_ bytes: [UInt8], what: String, wall: Int64) -> String {
        let path = name(wall: wall, ending: ".json")
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return Self.refusal(what, path) }
        let isWritten = Output.write(bytes, to: descriptor)
        let code = errno
        let isClosed = close(descriptor) == 0
        guard isWritten, isClosed else {
            if !isWritten { errno = code }
            let sentence = Self.refusal(what, path)
            unlink(path)
            return sentence
        }
        return "\(what) saved in \(path)"
    }

    private static func refusal(_ what: String, _ path: String) -> String {
        "cannot save \(what) in \(path): \(String(cString: strerror(errno))); "
            + "give a directory that may be written (--save-directory)"
    }
}
