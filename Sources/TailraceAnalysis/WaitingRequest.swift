// SPDX-License-Identifier: MIT
import TailraceModel

/// A request that was read while the response before it was in the making.
struct WaitingRequest {
    private var read: RequestRead
    /// The event's own bytes live no longer than the event.
    private var head: [UInt8]
    /// As much of a head is enough for method and path.
    private static let longestHead = 512

    init(_ read: RequestRead) {
        self.read = read
        self.read.head = HeadBytes(start: nil, count: 0)
        head = Array(read.head.prefix(Self.longestHead))
    }

    /// More of it was read.
    mutating func append(_ more: RequestRead) {
        read.bytes += more.bytes
        head.append(contentsOf: more.head.prefix(Self.longestHead - head.count))
    }

    /// As if it had been read at once.
    func withRead(_ use: (RequestRead) -> Void) {
        head.withUnsafeBytes { head in
            var read = read
            read.head = head
            use(read)
        }
    }
}

extension RequestRead {
    /// Its first `bytes`; what is left begins behind them.
    mutating func divided(after bytes: Int64) -> RequestRead {
        var part = self
        let count = min(head.count, Int(bytes))
        part.bytes = bytes
        part.head = HeadBytes(rebasing: head[..<count])
        self.bytes -= bytes
        head = HeadBytes(rebasing: head[count...])
        isFirst = true
        outstanding = max(1, outstanding)
        return part
    }
}
