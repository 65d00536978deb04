// SPDX-License-Identifier: MIT
import TailraceModel

/// What was read of a connection's send calls whose flush has not left yet, in their order.
struct PendingHeads {
    private var heads: [PendingHead] = []
    /// The last of them, also when its flush has left.
    private var newestCall: PendingHead.CallEnd?
    /// As many can be outstanding: the oldest gives way, and what it began is not known.
    private static let limit = 256

    var isEmpty: Bool { heads.isEmpty }

    /// A send call began.
    mutating func take(_ sent: SentHead, _ texts: inout TextCache) {
        // What an earlier call told of these bytes was refused with it.
        while !sent.isEnding, let last = heads.last, Int32(bitPattern: last.sequence &- sent.sequence) >= 0 {
            heads.removeLast()
        }
        PendingHead.take(sent, into: &heads, &texts)
        if let newestCall { heads[heads.count - 1].goOn(from: newestCall) }
        newestCall = heads.last?.end
        if heads.count > Self.limit { heads.removeFirst(heads.count - Self.limit) }
    }

    /// Takes out the oldest that begins before `sequence`; nil: there is none.
    mutating func next(before sequence: UInt32) -> PendingHead? {
        guard let head = heads.first, Int32(bitPattern: sequence &- head.sequence) > 0 else { return nil }
        return heads.removeFirst()
    }

    /// What they told is over.
    mutating func removeAll() { heads.removeAll() }
}
