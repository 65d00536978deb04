// SPDX-License-Identifier: MIT

/// What is said on a connection, as text that one can write. Pieces end with a record separator (U+001E); the first character
/// of one says what it is:
///
///     <   a read
///     >   a send call, of which the beginning is told
///     }   a send call, of which the end is told
///
/// and all others are comments. Of a piece with a unit separator (U+001F) only one side of that is told: the first of a
/// read or a call, the last of an end.
struct Pieces {
    enum Kind: UInt8 {
        case read = 0x3c
        case call = 0x3e
        case ending = 0x7d
    }
    struct Piece {
        let kind: Kind
        let told: ArraySlice<UInt8>
        /// All of it.
        let count: Int
        /// Its last eight bytes, as a flush tells them.
        let tail: UInt64
    }
    let pieces: [Piece]

    init(_ bytes: UnsafeRawBufferPointer) {
        pieces = Array(bytes).split(separator: 0x1e).compactMap { text in
            guard let kind = text.first.flatMap(Kind.init(rawValue:)), text.count > 1 else { return nil }
            return Piece(kind, text.dropFirst())
        }
    }
}

extension Pieces.Piece {
    /// As many bytes as the kernel side reads at most.
    private static let longestRead = 2048
    private static let longestCall = 1024

    fileprivate init?(_ kind: Pieces.Kind, _ text: ArraySlice<UInt8>) {
        let sides = text.split(separator: 0x1f, maxSplits: 1, omittingEmptySubsequences: false)
        let all = sides.joined()
        guard let first = sides.first, let last = sides.last, !all.isEmpty else { return nil }
        self.kind = kind
        count = all.count
        switch kind {
        case .read: told = first.prefix(Self.longestRead)
        case .call: told = first.prefix(Self.longestCall)
        case .ending: told = last.suffix(Self.longestCall)
        }
        let bytes = Array(all).suffix(8)
        tail = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) } << UInt64(8 * (8 - bytes.count))
    }
}
