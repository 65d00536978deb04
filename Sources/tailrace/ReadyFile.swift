// SPDX-License-Identifier: MIT
import Glibc

/// Says to whoever waits that everything is seen from now on.
enum ReadyFile {
    /// nil: nobody waits.
    static func create(_ path: String?) throws {
        guard let path else { return }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw Failure(
                "cannot create the ready file \(path): \(String(cString: strerror(errno))); "
                    + "give a path that may be written (--ready-file)")
        }
        close(descriptor)
    }
}
