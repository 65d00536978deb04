// SPDX-License-Identifier: MIT
import TailraceModel

/// The first line of a request, byte by byte: keeps method, path and version, blanks query, authority and everything else.
struct RequestLineRedactor {
    /// How the line went.
    enum Outcome: Equatable {
        /// It goes on in the next piece.
        case unfinished
        /// It is a request line that ends before this byte.
        case ended(Int)
        /// It is none: of its piece only the first bytes, which say what else it is, and the line's end are kept.
        case opaque(kept: Int, lineEnd: Int?)
    }
    private enum Place: Equatable {
        case method(Int)
        case target
        case path
        /// A query or a fragment, or a target that is no path.
        case blanked
        case star
        /// Of the absolute form; slashes seen.
        case scheme, slashes(Int), authority
        case version(Int)
        case otherVersion
        case rest
    }
    private var place = Place.method(0)
    private var isContinued = false

    /// Where the next piece goes on.
    var continued: RequestLineRedactor {
        var line = self
        line.isContinued = true
        return line
    }

    mutating func redact(_ bytes: UnsafeMutableRawBufferPointer) -> Outcome {
        if !isContinued {
            if bytes.count >= 2, bytes[0] == 0x16, bytes[1] == 3 { return .opaque(kept: 2, lineEnd: nil) }
            if HeadBytes(bytes).hasPrefix("PRI * HTTP/2.0") { return .opaque(kept: 14, lineEnd: nil) }
        }
        for index in bytes.indices {
            let byte = bytes[index]
            if byte == 0x0a {
                guard isRequestLine else { return .opaque(kept: 0, lineEnd: isContinued ? index : nil) }
                return .ended(index + 1)
            }
            guard let isKept = take(byte) else {
                let lineEnd = HeadBytes(bytes).position(of: 0x0a)
                return .opaque(kept: 0, lineEnd: isContinued ? lineEnd : nil)
            }
            if !isKept { bytes[index] = HeadRedactor.blank }
        }
        return .unfinished
    }

    /// At the end of a line.
    private var isRequestLine: Bool {
        switch place {
        case .version(let matched): matched >= Self.version.utf8CodeUnitCount
        case .rest: true
        default: false
        }
    }

    private static let version: StaticString = "HTTP/1."

    /// Whether the byte is kept; nil: this is no request line.
    private mutating func take(_ byte: UInt8) -> Bool? {
        switch place {
        case .method(let count): return takeMethod(byte, count)
        case .version(let matched): return takeVersion(byte, matched)
        case .rest: return byte == 0x0d
        case .otherVersion: return false
        default: break
        }
        if byte == 0x20 {
            place = .version(0)
            return true
        }
        return takeTarget(byte)
    }

    private mutating func takeMethod(_ byte: UInt8, _ count: Int) -> Bool? {
        if byte == 0x20, count > 0 {
            place = .target
            return true
        }
        guard HTTPHead.isMethodByte(byte), count < 19 else { return nil }
        place = .method(count + 1)
        return true
    }

    /// As `HTTPHead.path(of:)` walks through it.
    private mutating func takeTarget(_ byte: UInt8) -> Bool {
        let (slash, colon, isPathEnd): (UInt8, UInt8, Bool) = (0x2f, 0x3a, byte == 0x3f || byte == 0x23)
        switch place {
        case .target where byte == slash: place = .path
        case .target where byte == 0x2a: place = .star
        case .target where byte == colon, .scheme where byte == colon: place = .slashes(0)
        case .path where isPathEnd, .star where isPathEnd: place = .blanked
        case .path: break
        case .slashes(let count) where byte == slash: place = count == 0 ? .slashes(1) : .authority
        case .authority where byte == slash: place = .path
        case .target, .scheme:
            place = .scheme
            return false
        case .star:
            // No asterisk alone; what follows may still be of the absolute form.
            place = byte == colon ? .slashes(0) : .scheme
            return byte == colon
        case .slashes:
            place = .blanked
            return false
        default: return false
        }
        return true
    }

    private mutating func takeVersion(_ byte: UInt8, _ matched: Int) -> Bool {
        let version = Self.version
        guard matched < version.utf8CodeUnitCount else {
            place = .rest
            return (0x30...0x39).contains(byte) || byte == 0x0d
        }
        // The preface of HTTP/2, in pieces.
        let isTwo = matched == 5 && byte == 0x32
        // Only at its end the line is sure to be none.
        let isKept = byte == version.utf8Start[matched] || isTwo
        place = isKept ? .version(matched + 1) : .otherVersion
        return isKept
    }
}
