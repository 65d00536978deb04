// SPDX-License-Identifier: MIT
import TailraceModel

@testable import TailraceAnalysis

/// A body in chunks: from any chunk on, and with anything behind it, it ends at the same place; and what is blanked of it
/// tells the same.
enum ChunksCheck {
    static func wrong(with bytes: UnsafeRawBufferPointer) -> String? {
        GuardedBytes.with(bytes) { copy in
            let bytes = HeadBytes(copy)
            let walk = ChunkedBody.walk(bytes)
            if let end = strictEnd(of: Array(bytes)), walk != .ends(end) { return "ends at \(end), and not: \(walk)" }
            if case .ends(let end) = walk, let wrong = ending(at: end, of: bytes) { return wrong }
            for isWhole in [false, true] {
                for isCut in [false, true] {
                    let isEnd = ChunkedBody.isEnd(bytes, isWhole: isWhole, isCut: isCut)
                    if isEnd == true, !bytes.suffix(4).elementsEqual([0x0d, 0x0a, 0x0d, 0x0a]), !isWhole {
                        return "ends without an empty line"
                    }
                }
            }
            return blanking(copy, walk)
        }
    }

    private static func ending(at end: Int, of bytes: HeadBytes) -> String? {
        guard end > 0, end <= bytes.count else { return "ends at \(end) of \(bytes.count)" }
        for length in stride(from: 0, to: end, by: max(1, end / 50)) {
            let part = ChunkedBody.walk(HeadBytes(rebasing: bytes[..<length]))
            if part != .continues { return "\(length) of its \(end) bytes: \(part)" }
        }
        for start in starts(of: Array(bytes[..<end])) {
            let rest = ChunkedBody.walk(HeadBytes(rebasing: bytes[start...]))
            if rest != .ends(end - start) { return "from \(start) on: \(rest), and not \(end - start)" }
        }
        return nil
    }

    /// Where its chunks begin, by their sizes.
    private static func starts(of bytes: [UInt8]) -> [Int] {
        var starts: [Int] = []
        var start = 0
        while let lineEnd = bytes[start...].firstIndex(of: 0x0a), starts.count < 20 {
            let digits = bytes[start..<lineEnd].prefix { Character(Unicode.Scalar($0)).isHexDigit }
            guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size > 0 else { break }
            start = lineEnd + 1 + size + 2
            guard start < bytes.count else { break }
            starts.append(start)
        }
        return starts
    }

    /// RFC 9112 section 7.1 without any leniency; nil: it is no such body, or not all of it.
    private static func strictEnd(of bytes: [UInt8]) -> Int? {
        var rest = bytes[...]
        func line() -> ArraySlice<UInt8>? {
            guard let lineFeed = rest.firstIndex(of: 0x0a), rest[..<lineFeed].last == 0x0d else { return nil }
            defer { rest = rest[(lineFeed + 1)...] }
            return rest[..<(lineFeed - 1)]
        }
        while let first = line() {
            guard first.count <= 12, first.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let size = Int(String(decoding: first, as: UTF8.self), radix: 16)
            else { return nil }
            if size == 0 {
                while let trailer = line() { if trailer.isEmpty { return rest.startIndex } }
                return nil
            }
            guard rest.count >= size else { return nil }
            rest = rest.dropFirst(size)
            guard line()?.isEmpty == true else { return nil }
        }
        return nil
    }

    private static func blanking(_ bytes: UnsafeMutableRawBufferPointer, _ walk: ChunkedBody.Walk) -> String? {
        let original = Array(bytes)
        if BlankedBytes(bytes).blankChunks() {
            let after = ChunkedBody.walk(HeadBytes(bytes))
            if after != walk { return "\(walk), and blanked \(after)" }
        } else {
            if walk != .broken { return "not blanked, but \(walk)" }
            if !bytes.elementsEqual(original) { return "not blanked, and changed" }
        }
        bytes.copyBytes(from: original)
        let isEnd = ChunkedBody.isEnd(HeadBytes(bytes), isWhole: false, isCut: false)
        BlankedBytes(bytes).blankLines()
        let after = ChunkedBody.isEnd(HeadBytes(bytes), isWhole: false, isCut: false)
        return after == isEnd ? nil : "an end: \(String(describing: isEnd)), and blanked \(String(describing: after))"
    }
}
