// SPDX-License-Identifier: MIT
import Glibc

/// Bytes whose end is the end of what may be read: one byte beyond is a fault, also without a sanitizer.
final class GuardedBytes: Sendable {
    nonisolated(unsafe) private let base: UnsafeMutableRawPointer
    private static let page = 4096
    /// Longest bytes.
    static let room = 1 << 20

    private init() {
        guard
            let base = mmap(
                nil, Self.room + Self.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            base != MAP_FAILED, mprotect(base + Self.room, Self.page, PROT_NONE) == 0
        else { fatalError("no memory for bytes with a guard") }
        self.base = base
    }

    deinit { munmap(base, Self.room + Self.page) }

    /// One each: the bytes of one may be looked at while another is made, and tests run at the same time.
    nonisolated(unsafe) private static var unused: [GuardedBytes] = []
    /// The C library's: the thread sanitizer does not understand Swift's own.
    nonisolated(unsafe) private static let lock = {
        let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        return lock
    }()

    private static func withUnused<Result>(_ use: (inout [GuardedBytes]) -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return use(&unused)
    }

    /// Calls `use` with a copy of the first `room` bytes.
    static func with<Bytes: Collection<UInt8>, Result>(
        _ bytes: Bytes, _ use: (UnsafeMutableRawBufferPointer) -> Result
    ) -> Result {
        let guarded = withUnused { $0.popLast() } ?? GuardedBytes()
        defer { withUnused { $0.append(guarded) } }
        let count = min(bytes.count, room)
        let copy = UnsafeMutableRawBufferPointer(start: guarded.base + room - count, count: count)
        copy.copyBytes(from: bytes.prefix(count))
        return use(copy)
    }
}
