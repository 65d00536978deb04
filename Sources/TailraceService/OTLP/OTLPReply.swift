// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// What a collector says, beside its status.
enum OTLPReply {
    /// A Retry-After field: seconds, or a date of HTTP. nil: not understood. `wall`: seconds of the epoch.
    static func pause(retryAfter text: String, wall: Int) -> Nanoseconds? {
        let longest = OTLPQueue.longestAsked
        if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            guard let seconds = Int64(text), seconds < longest / 1_000_000_000 else { return longest }
            return seconds * 1_000_000_000
        }
        guard let date = seconds(ofDate: text) else { return nil }
        let (seconds, isTooFar) = date.subtractingReportingOverflow(wall)
        return isTooFar || seconds > Int(longest / 1_000_000_000) ? longest : Int64(max(0, seconds)) * 1_000_000_000
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    private static func seconds(ofDate text: String) -> Int? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let words = text.split(separator: " ")
        guard words.count == 6, words[5] == "GMT", let day = Int32(words[1]), let year = Int32(words[3]),
            (1...31).contains(day), (1970...9999).contains(year), let month = months.firstIndex(of: String(words[2]))
        else { return nil }
        let clock = words[4].split(separator: ":").compactMap { Int32($0) }
        guard clock.count == 3, clock.allSatisfy({ (0...60).contains($0) }) else { return nil }
        var date = tm()
        (date.tm_year, date.tm_mon, date.tm_mday) = (year - 1900, Int32(month), day)
        (date.tm_hour, date.tm_min, date.tm_sec) = (clock[0], clock[1], clock[2])
        return timegm(&date)
    }

    /// A partial success: how many points or spans of the body were not kept. 0: all were, or it is not said.
    static func rejected(in body: [UInt8]) -> UInt64 {
        for key in ["\"rejectedDataPoints\"", "\"rejectedSpans\""] {
            let key = Array(key.utf8)
            guard body.count > key.count,
                let place = (0...(body.count - key.count)).first(where: {
                    body[$0..<($0 + key.count)].elementsEqual(key)
                })
            else { continue }
            // Numbers of 64 bits are strings in JSON.
            let rest = body[(place + key.count)...].drop { $0 == 0x20 || $0 == 0x3a || $0 == 0x22 }
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            if let count = UInt64(String(decoding: digits, as: UTF8.self)) { return min(count, 1 << 32) }
        }
        return 0
    }
}
