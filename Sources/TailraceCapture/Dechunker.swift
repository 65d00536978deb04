// SPDX-License-Identifier: MIT
import Glibc

/// Takes the framing of HTTP/1.1's chunks (RFC 9112 section 7.1) off a body that arrives in pieces. Its memory is a few
/// numbers, whatever comes.
public struct Dechunker: Sendable {
    private enum Place {
        /// In the line with a chunk's size.
        case size, sizeExtension
        /// In its bytes, and in the line end behind them.
        case bytes, lineEnd
        /// In the lines behind the last one.
        case trailers
        case end
    }
    /// Its last byte was taken: what comes behind it belongs to nothing here.
    public private(set) var isAtEnd = false
    private var place = Place.size
    /// Of the chunk: what its size line said so far, then what is still to come.
    private var rest: UInt64 = 0
    private var digits = 0
    /// Bytes of the line that we are in.
    private var lineLength = 0
    private var isAfterCarriageReturn = false
    /// Longer ones than any server of ours writes.
    private static let longestLine = 4096
    /// A chunk is shorter than 2^60 bytes.
    private static let mostDigits = 15

    /// At the beginning of a body.
    public init() {}

    /// Takes the framing off the next piece, in place.
    ///
    /// - Parameter bytes: the piece; its beginning is then the body's bytes in it.
    /// - Returns: how many of them; nil: it is no such body, and nothing more is to be made of it.
    public mutating func take(_ bytes: UnsafeMutableRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress else { return 0 }
        var (next, taken) = (0, 0)
        while next < bytes.count, place != .end {
            if place == .bytes {
                let count = Int(min(UInt64(bytes.count - next), rest))
                memmove(base + taken, base + next, count)
                (next, taken, rest) = (next + count, taken + count, rest - UInt64(count))
                if rest == 0 { place = .lineEnd }
            } else {
                guard takeFraming(bytes[next]) else { return nil }
                next += 1
            }
        }
        return taken
    }

    /// False: it stands where it may not.
    private mutating func takeFraming(_ byte: UInt8) -> Bool {
        lineLength += 1
        guard lineLength <= Self.longestLine else { return false }
        if byte == 0x0a { return endLine() }
        // A carriage return that no line feed follows ends no line, and is nothing else.
        guard !isAfterCarriageReturn else { return false }
        isAfterCarriageReturn = byte == 0x0d
        if isAfterCarriageReturn { return true }
        switch place {
        case .size: return takeDigit(byte)
        case .lineEnd: return false
        default: return true
        }
    }

    private mutating func takeDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39: rest = rest << 4 | UInt64(byte - 0x30)
        case 0x41...0x46, 0x61...0x66: rest = rest << 4 | UInt64((byte | 0x20) - 0x61 + 10)
        case 0x3b, 0x20, 0x09:
            place = .sizeExtension
            return digits > 0
        default: return false
        }
        digits += 1
        return digits <= Self.mostDigits
    }

    /// A line feed: every line ends with both, CR and LF.
    private mutating func endLine() -> Bool {
        guard isAfterCarriageReturn else { return false }
        let isEmpty = lineLength == 2
        (isAfterCarriageReturn, lineLength) = (false, 0)
        switch place {
        case .size, .sizeExtension:
            guard digits > 0 else { return false }
            place = rest > 0 ? .bytes : .trailers
        case .lineEnd: (place, digits) = (.size, 0)
        case .trailers where isEmpty: (place, isAtEnd) = (.end, true)
        default: break
        }
        return true
    }
}
