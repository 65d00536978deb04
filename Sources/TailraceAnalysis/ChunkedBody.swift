// SPDX-License-Identifier: MIT
import TailraceModel

/// A body in chunks (RFC 9112 section 7.1), as far as its bytes are at hand.
enum ChunkedBody {
    /// What a walk from chunk to chunk came to.
    enum Walk: Equatable {
        /// The last chunk and its trailers end here.
        case ends(Int)
        /// The bytes end first.
        case continues
        /// These are no chunks.
        case broken
    }

    /// From chunk to chunk; `bytes` begin with one.
    static func walk(_ bytes: HeadBytes) -> Walk {
        var start = 0
        while let lineEnd = HeadBytes(rebasing: bytes[start...]).position(of: 0x0a) {
            guard let size = size(of: HeadBytes(rebasing: bytes[start..<(start + lineEnd)])) else { return .broken }
            start += lineEnd + 1
            if size == 0 { return trailerEnd(in: bytes, from: start).map { .ends($0) } ?? .continues }
            guard size < bytes.count - start - 1 else { return .continues }
            start += size
            guard bytes[start] == 0x0d, bytes[start + 1] == 0x0a else { return .broken }
            start += 2
        }
        return bytes.count - start < 20 || size(of: HeadBytes(rebasing: bytes[start...])) != nil ? .continues : .broken
    }

    /// Whether a send call that ends in an empty line ends the body; `bytes` are its last ones, nil: they cannot say.
    ///
    /// A call mostly begins with a chunk. Where it does not, or where its beginning is not at hand, the lines before the
    /// empty one tell: fields, and before them the chunk of size 0.
    static func isEnd(_ bytes: HeadBytes, isWhole: Bool, isCut: Bool) -> Bool? {
        if isWhole {
            switch walk(bytes) {
            case .ends(let end): return end == bytes.count
            case .continues: return false
            case .broken: break
            }
        }
        guard bytes.count >= 4, HeadBytes(rebasing: bytes.suffix(4)).hasPrefix("\r\n\r\n") else { return false }
        var end = bytes.count - 4
        while true {
            let lineFeed = bytes[..<end].lastIndex(of: 0x0a)
            let line = HeadBytes(rebasing: bytes[((lineFeed ?? -1) + 1)..<end])
            if size(of: line) == 0 { return lineFeed != nil || !isCut ? true : nil }
            guard isField(line) else { return lineFeed == nil && isCut ? nil : false }
            guard let lineFeed else { return nil }
            guard lineFeed > 0, bytes[lineFeed - 1] == 0x0d else { return false }
            end = lineFeed - 1
        }
    }

    /// Of a chunk's first line, its extensions left out; nil: it is none.
    static func size(of line: HeadBytes) -> Int? {
        let digits = line.prefix { digit($0) != nil }
        let behind = line[digits.endIndex...].drop { $0 == 0x20 || $0 == 0x09 }.first
        guard !digits.isEmpty, digits.count <= 12, behind == nil || behind == 0x0d || behind == 0x3b else { return nil }
        return digits.reduce(0) { $0 << 4 | (digit($1) ?? 0) }
    }

    private static func digit(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte) - 0x30
        case 0x41...0x46, 0x61...0x66: Int(byte | 0x20) - 0x57
        default: nil
        }
    }

    /// Behind the empty line that ends the trailers.
    private static func trailerEnd(in bytes: HeadBytes, from start: Int) -> Int? {
        var start = start
        while let offset = HeadBytes(rebasing: bytes[start...]).position(of: 0x0a) {
            let isEmpty = offset == 0 || offset == 1 && bytes[start] == 0x0d
            start += offset + 1
            if isEmpty { return start }
        }
        return nil
    }

    static func isField(_ line: HeadBytes) -> Bool {
        guard let colon = line.position(of: 0x3a), colon > 0 else { return false }
        return line[..<colon].allSatisfy { $0 > 0x20 && $0 < 0x7f }
    }
}
