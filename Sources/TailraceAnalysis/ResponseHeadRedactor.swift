// SPDX-License-Identifier: MIT
import TailraceModel

/// The head of a response, line by line: keeps version, status and the fields that frame or name the body, blanks the rest.
struct ResponseHeadRedactor {
    private enum Place: Equatable {
        case statusLine(Int)
        /// Bytes of a field's name that were seen, and which of `fields` they can still become.
        case name(Int, candidates: UInt8)
        case contentLength, transferEncoding
        /// Bytes of it that were kept.
        case contentType(Int)
        case blanked
    }
    private enum Verdict { case keep, blank, blankLine, giveUp }
    private var place = Place.statusLine(0)
    private let candidates: UInt8
    private let isRequest: Bool

    private static let fields: InlineArray<3, StaticString> = ["content-length", "content-type", "transfer-encoding"]
    private static let longestType = 256

    /// It begins with the status line.
    init() {
        candidates = 0b111
        isRequest = false
    }

    /// The fields of a request, which begin behind its first line: only those that frame its body are kept.
    init(ofRequest: Void) {
        candidates = 0b101
        isRequest = true
        place = .name(0, candidates: candidates)
    }

    /// No line is half done.
    var isAtLineStart: Bool { place == .name(0, candidates: candidates) }

    /// True: the head goes on in the next piece.
    mutating func redact(_ bytes: UnsafeMutableRawBufferPointer) -> Bool {
        var index = 0
        var lineStart = 0
        var magicEnd = 0
        while index < bytes.count {
            if place == .blanked {
                let rest = HeadBytes(rebasing: HeadBytes(bytes)[index...])
                let end = index + (rest.position(of: 0x0a) ?? rest.count)
                bytes.blank(index..<end)
                index = end
                guard index < bytes.count else { break }
            }
            let byte = bytes[index]
            index += 1
            if byte == 0x0a {
                if isEmptyLine(bytes, lineStart..<index) { return redactBehind(bytes, index) }
                if case .statusLine(let count) = place, count < 12 { return giveUp(bytes, behind: magicEnd, count) }
                place = .name(0, candidates: candidates)
                lineStart = index
                continue
            }
            let before = place
            switch take(byte, isLast: index == bytes.count || bytes[index] == 0x0a) {
            case .keep: break
            case .blank: bytes[index - 1] = HeadRedactor.blank
            case .blankLine: bytes.blank(lineStart..<index)
            case .giveUp:
                guard case .statusLine(let count) = before else { break }
                return giveUp(bytes, behind: magicEnd, count)
            }
            if place == .statusLine(7) { magicEnd = index }
        }
        return true
    }

    /// It is no head; but with its first seven bytes, less than twelve could have become one.
    private func giveUp(_ bytes: UnsafeMutableRawBufferPointer, behind magicEnd: Int, _ count: Int) -> Bool {
        bytes.blank((count < 7 ? 0 : magicEnd)..<bytes.count)
        return false
    }

    private func isEmptyLine(_ bytes: UnsafeMutableRawBufferPointer, _ line: Range<Int>) -> Bool {
        if case .name(let count, _) = place { return count == 0 }
        return false
    }

    /// After an interim head comes the real one; else it is the body.
    private mutating func redactBehind(_ bytes: UnsafeMutableRawBufferPointer, _ index: Int) -> Bool {
        let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[index...])
        guard !rest.isEmpty, !isRequest, HeadBytes.magic(isPrefixedBy: HeadBytes(rebasing: HeadBytes(rest).prefix(7)))
        else {
            rest.blank(0..<rest.count)
            return false
        }
        place = .statusLine(0)
        return redact(rest)
    }

    /// What becomes of a byte. `isLast`: the line ends behind it.
    private mutating func take(_ byte: UInt8, isLast: Bool) -> Verdict {
        let isSpace = byte == 0x20 || byte == 0x09 || byte == 0x0d
        switch place {
        case .statusLine(let count): return takeStatus(byte, count)
        case .name(let count, let candidates):
            // The CR of an empty line is no byte of a name.
            if count == 0, byte == 0x0d, isLast { return .keep }
            return takeName(byte, count, candidates)
        case .contentLength: return isSpace || (0x30...0x39).contains(byte) ? .keep : .blank
        case .transferEncoding:
            return isSpace || byte == 0x2c || (0x61...0x7a).contains(byte | 0x20) ? .keep : .blank
        case .contentType(let count):
            place = byte == 0x3b || count >= Self.longestType ? .blanked : .contentType(count + 1)
            return .keep
        case .blanked: return .blank
        }
    }

    private mutating func takeStatus(_ byte: UInt8, _ count: Int) -> Verdict {
        let magic: StaticString = "HTTP/1."
        guard count < 12 else {
            place = .blanked
            return .blank
        }
        place = .statusLine(count + 1)
        if count < magic.utf8CodeUnitCount { return byte == magic.utf8Start[count] ? .keep : .giveUp }
        // HTTPHead does not look at the minor version's digit and the space behind it.
        return count < 9 || (0x30...0x39).contains(byte) ? .keep : .giveUp
    }

    private mutating func takeName(_ byte: UInt8, _ count: Int, _ candidates: UInt8) -> Verdict {
        if byte == 0x3a {
            place = value(ofNameWith: count, candidates)
            return place == .blanked ? .blankLine : .keep
        }
        let lower = (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
        var left: UInt8 = 0
        for field in Self.fields.indices where candidates & (1 << field) != 0 {
            let name = Self.fields[field]
            if count < name.utf8CodeUnitCount, name.utf8Start[count] == lower { left |= 1 << field }
        }
        place = left == 0 ? .blanked : .name(count + 1, candidates: left)
        return left == 0 ? .blankLine : .keep
    }

    private func value(ofNameWith count: Int, _ candidates: UInt8) -> Place {
        for field in Self.fields.indices
        where candidates & (1 << field) != 0 && Self.fields[field].utf8CodeUnitCount == count {
            return [.contentLength, .contentType(0), .transferEncoding][field]
        }
        return .blanked
    }
}
