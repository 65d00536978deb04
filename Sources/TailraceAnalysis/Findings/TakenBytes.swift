// SPDX-License-Identifier: MIT
import TailraceModel

/// What a client took and its server handed over, from look to look. A client may take a lot once in a few seconds, and a window
/// opens in steps: a rate is one over many looks.
struct TakenBytes {
    private struct Anchor {
        let at: Nanoseconds
        let taken: Int64
        let held: Int64
    }
    /// Acknowledged since the first look.
    private var taken: Int64 = 0
    private var acknowledged: UInt32
    private var older: Anchor
    private var newer: Anchor
    private var now: Anchor
    /// The look that found it taking something last, or the first one.
    private var progress: Nanoseconds
    /// The span of a rate is this to twice as long, or all that is known, ns.
    private static let span: Int64 = 8_000_000_000

    /// From the first look that tells; nil: this one does not.
    init?(_ look: ConnectionLook) {
        guard let acknowledged = look.acknowledged else { return nil }
        self.acknowledged = acknowledged
        now = Anchor(at: look.sample.at, taken: 0, held: Self.held(look.sample))
        (older, newer, progress) = (now, now, now.at)
    }

    /// The next look.
    mutating func take(_ look: ConnectionLook) {
        let next = look.acknowledged ?? acknowledged
        let more = Self.bytes(from: acknowledged, to: next)
        acknowledged = next
        taken = taken.sum(with: more)
        now = Anchor(at: look.sample.at, taken: taken, held: Self.held(look.sample))
        if more > 0 { progress = now.at }
        if now.at - newer.at >= Self.span { (older, newer) = (newer, now) }
    }

    /// Between two looks, by sequence numbers, which count modulo 2^32: a fast connection takes more than half of that, and what
    /// is a little less than before is none.
    static func bytes(from before: UInt32, to now: UInt32) -> Int64 {
        let difference = now &- before
        return difference > UInt32.max - mostBack ? 0 : Int64(difference)
    }
    private static let mostBack: UInt32 = 1 << 26

    private static func held(_ sample: SocketSample) -> Int64 {
        Int64(sample.unsentBytes) + Int64(sample.unackedBytes)
    }

    private var length: Double { Double(now.at - older.at) / 1e9 }

    /// Bytes a second that the client took; nil: not known yet.
    var drained: Double? { length > 0 ? Double(now.taken - older.taken) / length : nil }

    /// Bytes a second that the server handed over; nil: not known yet.
    var written: Double? {
        length > 0 ? max(0, Double(now.taken - older.taken + now.held - older.held)) / length : nil
    }

    /// It has taken nothing for that long at least, ns; nil: not known yet.
    var idle: Int64? { length > 0 ? now.at - progress : nil }
}
