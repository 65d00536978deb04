// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// What this program itself takes, as the kernel accounts for it.
struct OwnCost {
    private var lastTime: Nanoseconds
    private var lastUsed: Nanoseconds
    private var lastEvents: UInt64 = 0
    private static let pageBytes = Int64(sysconf(Int32(_SC_PAGESIZE)))

    init(at now: Nanoseconds) {
        lastTime = now
        lastUsed = Self.used()
    }

    /// Since the last call: our share of one core (all threads), and the events a second. nil: too little time went by.
    mutating func measure(at now: Nanoseconds, events: UInt64) -> (share: Double, eventsPerSecond: Double)? {
        let time = now - lastTime
        guard time >= 100_000_000 else { return nil }
        let used = Self.used()
        defer { (lastTime, lastUsed, lastEvents) = (now, used, events) }
        return (
            Double(used - lastUsed) / Double(time),
            Double(events &- min(events, lastEvents)) / Double(time) * 1e9
        )
    }

    /// Resident memory, bytes; nil: /proc does not say.
    static func residentBytes() -> Int64? {
        guard let file = fopen("/proc/self/statm", "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = fread(&bytes, 1, bytes.count, file)
        let fields = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = Int64(fields[1]) else { return nil }
        return pages * pageBytes
    }

    /// Processor time of all threads so far, ns.
    static func used() -> Nanoseconds {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
