// SPDX-License-Identifier: MIT

/// Wall time as text, without a calendar library: UTC has no other rules than the Gregorian calendar.
enum Timestamp {
    /// RFC 3339 in UTC with nanoseconds: `2026-11-23T08:15:30.123456789Z`. `wall`: ns since 1970.
    static func rfc3339(_ wall: Int64) -> String {
        let seconds = floorDivide(wall, 1_000_000_000)
        let day = floorDivide(seconds, 86400)
        let second = seconds - day * 86400
        let (year, month, dayOfMonth) = civil(day: day)
        let fields: InlineArray<7, (value: Int64, width: Int, after: UInt8)> = [
            (year, 4, 0x2d), (month, 2, 0x2d), (dayOfMonth, 2, 0x54), (second / 3600, 2, 0x3a),
            (second / 60 % 60, 2, 0x3a),
            (second % 60, 2, 0x2e), (wall - seconds * 1_000_000_000, 9, 0x5a),
        ]
        return String(unsafeUninitializedCapacity: 30) { bytes in
            var end = 0
            for index in fields.indices {
                var rest = fields[index].value
                for place in stride(from: end + fields[index].width - 1, through: end, by: -1) {
                    bytes[place] = 0x30 + UInt8(rest % 10)
                    rest /= 10
                }
                end += fields[index].width + 1
                bytes[end - 1] = fields[index].after
            }
            return end
        }
    }

    /// Time of day with milliseconds, UTC: `08:15:30.123`.
    static func timeOfDay(_ wall: Int64) -> String {
        let seconds = floorDivide(wall, 1_000_000_000)
        let milliseconds = (wall - seconds * 1_000_000_000) / 1_000_000
        return clock(seconds - floorDivide(seconds, 86400) * 86400) + "." + padded(milliseconds, 3)
    }

    private static func clock(_ second: Int64) -> String {
        "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
    }

    /// Days since 1970 to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    private static func civil(day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = day + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : -((-value + divisor - 1) / divisor)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
