// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// What this program itself takes, as the kernel accounts for it.
struct OwnCost {
    private struct Reading {
        let time, used: Nanoseconds
        let events: UInt64
    }
    /// Oldest first, never none; what is older than `span` is let go.
    private var readings: [Reading]
    private let span: Nanoseconds
    private static let pageBytes = Int64(sysconf(Int32(_SC_PAGESIZE)))

    /// Processes that work for this one; what they took so far is not ours to tell.
    var helpers: [pid_t] = [] {
        didSet {
            if let last = readings.last { readings = [Reading(time: last.time, used: used, events: last.events)] }
        }
    }

    /// Of the kernel's maps, the ring above all, what is mapped here: it is resident, also twice, and never grows.
    private let mappedBytes: Int64

    /// To be made when the maps are there. `span`: our share is a mean over so long, ns; 0: since the last call.
    init(at now: Nanoseconds, meanOver span: Nanoseconds = 0) {
        self.span = span
        readings = [Reading(time: now, used: Self.used(by: []), events: 0)]
        mappedBytes = Self.mappedBytes(in: Self.contents(of: "/proc/self/smaps", most: 1 << 20))
    }

    /// Our share of one core (all threads) over the span, and the events a second since the last call. nil: too little time
    /// went by.
    mutating func measure(at now: Nanoseconds, events: UInt64) -> (share: Double, eventsPerSecond: Double)? {
        guard let last = readings.last, now - last.time >= 100_000_000 else { return nil }
        while readings.count > 1, readings[1].time <= now - span { readings.removeFirst() }
        let first = readings[0]
        let used = used
        readings.append(Reading(time: now, used: used, events: events))
        return (
            Double(max(0, used - first.used)) / Double(now - first.time),
            Double(events &- min(events, last.events)) / Double(now - last.time) * 1e9
        )
    }

    /// Resident memory, bytes; nil: /proc does not say.
    var residentBytes: Int64? {
        guard let own = Self.residentPages(of: "self") else { return nil }
        return helpers.reduce(own) { $0 + (Self.residentPages(of: "\($1)") ?? 0) } * Self.pageBytes
    }

    /// The same without the ring, whose size is a setting of its own: what a limit of the memory is about.
    var ownBytes: Int64? { residentBytes.map { max(0, $0 - mappedBytes) } }

    /// What smaps (proc(5)) says of mappings of the kernel's maps.
    private static func mappedBytes(in smaps: String) -> Int64 {
        var bytes: Int64 = 0
        var isMap = false
        for line in smaps.split(separator: "\n") {
            if line.contains("bpf-map") { isMap = true }
            guard isMap, line.hasPrefix("Rss:") else { continue }
            isMap = false
            bytes += (line.split(separator: " ").dropFirst().first.flatMap { Int64($0) } ?? 0) * 1024
        }
        return bytes
    }

    /// Processor time of all threads so far, ns.
    var used: Nanoseconds { Self.used(by: helpers) }

    private static func residentPages(of process: String) -> Int64? {
        let fields = contents(of: "/proc/\(process)/statm").split(separator: " ")
        return fields.count > 1 ? Int64(fields[1]) : nil
    }

    private static func used(by helpers: [pid_t]) -> Nanoseconds {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        let own = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        return helpers.reduce(own) { $0 + (ticks(of: $1) ?? 0) * Server.tick }
    }

    /// utime and stime, behind the name, which may hold anything (proc_pid_stat(5)).
    private static func ticks(of process: pid_t) -> Int64? {
        let stat = contents(of: "/proc/\(process)/stat")
        guard let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Int64(fields[11]), let system = Int64(fields[12]) else { return nil }
        return user + system
    }

    private static func contents(of path: String, most: Int = 1024) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: most)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
