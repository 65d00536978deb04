// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceCapture
import TailraceModel

/// Which part of the daemon's recording of the last minutes is read.
struct FlightOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Of what the daemon recorded around this time: 03:12, 03:12:30, '2026-11-24 03:12', -15m, now. Local time, or UTC with a Z behind it; of a time of day, the last one.",
            valueName: "time"))
    var at: PastTime?

    @Option(help: ArgumentHelp("So much before that time, and after it (2m).", valueName: "time"))
    var within: TimeSpan?

    @Option(help: ArgumentHelp("Where the daemon records (/var/lib/tailrace).", valueName: "dir"))
    var directory: String?

    /// What is to be read: `file`, or what the options choose; nil: neither is given.
    func choice(_ file: String?) throws -> RecordingChoice? {
        guard at != nil || directory != nil else {
            if within != nil { throw ValidationError("--within goes with --at.") }
            return file.map { RecordingChoice(path: $0, range: nil) }
        }
        if file != nil, directory != nil { throw ValidationError("Give FILE or --directory, and not both.") }
        let path = file ?? directory ?? "/var/lib/tailrace"
        guard let at else {
            if within != nil { throw ValidationError("--within goes with --at.") }
            return RecordingChoice(path: path, range: nil)
        }
        let (time, half) = (at.wall(now: readClock(CLOCK_REALTIME)), within?.nanoseconds ?? 120_000_000_000)
        return RecordingChoice(path: path, range: time - half...time + half)
    }
}

/// A recording, or what of a flight recorder's directory is read.
struct RecordingChoice {
    /// A file or a directory.
    let path: String
    /// Of a directory: from when to when, ns since 1970; nil: all of it.
    let range: ClosedRange<Int64>?

    private var isDirectory: Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// What cannot be read is refused with exit code 65.
    func open() throws(CaptureError) -> any RecordedSource {
        guard range != nil || isDirectory else { return try RecordingSource(path: path) }
        return try FlightReader(FlightCatalogue(directory: path), range: range)
    }

    /// When the newest record was made; nil: it is not known before it is read.
    func end() throws(CaptureError) -> Nanoseconds? {
        guard range != nil || isDirectory else { return try RecordingSource.end(of: path) }
        return range == nil ? try FlightReader.end(of: FlightCatalogue(directory: path)) : nil
    }
}

/// A time that was: `03:12`, `03:12:30`, `2026-11-24T03:12` or with a blank, `-15m`, `now`; with a Z behind it in UTC.
struct PastTime: ExpressibleByArgument {
    private enum Form {
        case ago(Int64)
        /// Seconds since midnight.
        case timeOfDay(Int, isUTC: Bool)
        case date(tm, isUTC: Bool)
    }
    private let form: Form

    init?(argument: String) {
        if argument == "now" {
            form = .ago(0)
        } else if argument.hasPrefix("-"), let span = TimeSpan(argument: String(argument.dropFirst())) {
            form = .ago(span.nanoseconds)
        } else {
            let isUTC = argument.hasSuffix("Z")
            let parts = argument.dropLast(isUTC ? 1 : 0).split(
                omittingEmptySubsequences: false, whereSeparator: { $0 == "T" || $0 == " " })
            guard parts.count <= 2, let time = parts.last.flatMap({ Self.numbers($0, ":", 2...3, digits: 2) }),
                time[0] < 24, time[1] < 60, time.count == 2 || time[2] < 60
            else { return nil }
            let seconds = time[0] * 3600 + time[1] * 60 + (time.count == 3 ? time[2] : 0)
            guard parts.count == 2 else {
                form = .timeOfDay(seconds, isUTC: isUTC)
                return
            }
            guard let date = Self.date(parts[0]) else { return nil }
            form = .date(Self.with(date, seconds), isUTC: isUTC)
        }
    }

    private static func numbers(_ text: Substring, _ separator: Character, _ count: ClosedRange<Int>, digits: Int)
        -> [Int]?
    {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard count.contains(parts.count) else { return nil }
        var numbers: [Int] = []
        for (place, part) in parts.enumerated() {
            let wanted = place == 0 && digits == 4 ? 4 : 2
            // As people write it: 3:12.
            let isShort = place == 0 && digits == 2 && part.utf8.count == 1
            guard part.utf8.count == wanted || isShort, part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(part)
            else { return nil }
            numbers.append(number)
        }
        return numbers
    }

    private static func date(_ text: Substring) -> tm? {
        guard let date = numbers(text, "-", 3...3, digits: 4), (1...12).contains(date[1]), (1...31).contains(date[2])
        else {
            return nil
        }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (Int32(date[0] - 1900), Int32(date[1] - 1), Int32(date[2]))
        return parts
    }

    private static func with(_ date: tm, _ seconds: Int) -> tm {
        var parts = date
        (parts.tm_hour, parts.tm_min) = (Int32(seconds / 3600), Int32(seconds / 60 % 60))
        (parts.tm_sec, parts.tm_isdst) = (Int32(seconds % 60), -1)
        return parts
    }

    /// ns since 1970; of a time of day, the last one before `now`.
    func wall(now: Int64) -> Int64 {
        switch form {
        case .ago(let span): return now - span
        case .date(var parts, let isUTC): return Int64(isUTC ? timegm(&parts) : mktime(&parts)) * 1_000_000_000
        case .timeOfDay(let seconds, let isUTC):
            var (clock, today) = (time_t(now / 1_000_000_000), tm())
            if isUTC { gmtime_r(&clock, &today) } else { localtime_r(&clock, &today) }
            var parts = Self.with(today, seconds)
            // Not a day of seconds: some days have an hour more, or less.
            var wall = Int64(isUTC ? timegm(&parts) : mktime(&parts))
            if wall > clock {
                parts = Self.with(today, seconds)
                parts.tm_mday -= 1
                wall = Int64(isUTC ? timegm(&parts) : mktime(&parts))
            }
            return wall * 1_000_000_000
        }
    }
}
