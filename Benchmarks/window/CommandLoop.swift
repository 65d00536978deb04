// SPDX-License-Identifier: MIT
import Glibc
import TailraceCapture

/// Drains what is attached every 10 ms, and obeys one line of standard input at a time with one line of JSON each.
///
/// `attach NAME`, `detach` (everything), `stats NAME`, `stall MILLISECONDS` (no drain meanwhile), `quit` or end of input.
struct CommandLoop {
    private let variants: [Variant]
    private var input: [UInt8] = []
    private var nextDrain: Int64 = 0
    private let drainInterval: Int64 = 10_000_000

    init(variants: [Variant]) { self.variants = variants }

    mutating func run() throws {
        say("{\"ready\":true}")
        var isOpen = true
        while isOpen {
            var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            if poll(&descriptor, 1, timeout()) > 0 { isOpen = try readCommands() }
            guard readClock(CLOCK_MONOTONIC) >= nextDrain else { continue }
            for variant in variants where variant.isAttached { variant.drain() }
            nextDrain = readClock(CLOCK_MONOTONIC) + drainInterval
        }
    }

    /// Milliseconds until the next drain, rounded up; for ever while nothing is attached.
    private func timeout() -> Int32 {
        guard variants.contains(where: \.isAttached) else { return -1 }
        return Int32(max(0, (nextDrain - readClock(CLOCK_MONOTONIC) + 999_999) / 1_000_000))
    }

    /// False: there will be no more.
    private mutating func readCommands() throws -> Bool {
        var piece = [UInt8](repeating: 0, count: 4096)
        let count = read(STDIN_FILENO, &piece, piece.count)
        guard count > 0 else { return false }
        input.append(contentsOf: piece[..<count])
        while let end = input.firstIndex(of: UInt8(ascii: "\n")) {
            let words = String(decoding: input[..<end], as: UTF8.self).split(separator: " ").map(String.init)
            input.removeSubrange(...end)
            if words.first == "quit" { return false }
            say(try answer(words))
        }
        return true
    }

    private func answer(_ words: [String]) throws -> String {
        switch (words.first, words.dropFirst().first) {
        case ("attach", let name?): return "{\"attach_ns\":\(try variant(name).attach())}"
        case ("detach", nil):
            var time: Int64 = 0
            for variant in variants where variant.isAttached {
                time += variant.detach()
                variant.drain()
            }
            return "{\"detach_ns\":\(time)}"
        case ("stats", let name?):
            let variant = try variant(name)
            if variant.isAttached { variant.drain() }
            return "{\(processStatistics()),\(variant.statistics())}"
        case ("stall", let milliseconds?):
            usleep((UInt32(milliseconds) ?? 0) * 1000)
            return "{\"stalled\":true}"
        default: throw UsageError(description: "`\(words.joined(separator: " "))` is not a command")
        }
    }

    private func variant(_ name: String) throws -> Variant {
        guard let found = variants.first(where: { $0.name == name }) else {
            throw UsageError(description: "there is no variant \(name)")
        }
        return found
    }

    private func processStatistics() -> String {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return "\"cpu_ns\":\(readClock(CLOCK_THREAD_CPUTIME_ID)),\"switches\":\(usage.ru_nvcsw),"
            + "\"rss_bytes\":\(residentBytes())"
    }

    /// Second field of /proc/self/statm, in pages.
    private func residentBytes() -> Int {
        var text = [UInt8](repeating: 0, count: 256)
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        defer { close(descriptor) }
        let count = max(0, read(descriptor, &text, text.count))
        let fields = String(decoding: text[..<count], as: UTF8.self).split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
    }
}
