// SPDX-License-Identifier: MIT
import Glibc

/// The name of a segment's file: `20261124T031200Z-00000042.trc`, by when it began and its number.
struct FlightName: Hashable, Comparable, CustomStringConvertible {
    /// Seconds since 1970, UTC.
    let begin: Int64
    /// Grows from segment to segment, whatever the clock does.
    let number: UInt64

    private static let ending = ".trc"
    private static let stampLength = 16
    /// Of which nanoseconds can be counted, seconds since 1970.
    static let times: ClosedRange<Int64> = 0...(1 << 61) / 1_000_000_000

    init(begin: Int64, number: UInt64) {
        self.begin = begin
        self.number = number
    }

    /// nil: it is another file.
    init?(_ text: String) {
        guard text.hasSuffix(Self.ending) else { return nil }
        let parts = text.dropLast(Self.ending.count).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let begin = Self.seconds(parts[0]), Self.times.contains(begin),
            (8...19).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = UInt64(parts[1])
        else { return nil }
        self.init(begin: begin, number: number)
    }

    var description: String { stem + Self.ending }

    /// Whatever a file system says of when a file was changed.
    static func clamped(_ seconds: Int64) -> Int64 { max(times.lowerBound, min(times.upperBound, seconds)) }

    /// Without its ending.
    var stem: String {
        let digits = String(number)
        return Self.stamp(begin) + "-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }

    static func < (left: FlightName, right: FlightName) -> Bool {
        (left.number, left.begin) < (right.number, right.begin)
    }

    /// `20261124T031200Z`, or with `separators` `2026-11-24T03:12:00Z`.
    static func stamp(_ seconds: Int64, separators: Bool = false) -> String {
        var (seconds, parts) = (time_t(seconds), tm())
        gmtime_r(&seconds, &parts)
        let fields = [
            Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday), Int(parts.tm_hour), Int(parts.tm_min),
            Int(parts.tm_sec),
        ].map { $0 < 10 ? "0\($0)" : "\($0)" }
        let (dash, colon) = separators ? ("-", ":") : ("", "")
        return fields[..<3].joined(separator: dash) + "T" + fields[3...].joined(separator: colon) + "Z"
    }

    private static func seconds(_ text: Substring) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count == stampLength, bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z") else {
            return nil
        }
        func number(_ range: Range<Int>) -> Int32? {
            bytes[range].allSatisfy { (0x30...0x39).contains($0) }
                ? Int32(String(decoding: bytes[range], as: UTF8.self)) : nil
        }
        guard let year = number(0..<4), let month = number(4..<6), let day = number(6..<8), let hour = number(9..<11),
            let minute = number(11..<13), let second = number(13..<15)
        else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year - 1900, month - 1, day)
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (hour, minute, second)
        return Int64(timegm(&parts))
    }
}
