// SPDX-License-Identifier: MIT

/// The one gate for text that came from outside (names of processes, paths, content types): what passes cannot move a
/// cursor, change a colour, break a line or hide the direction of text. Everything drawn or exported goes through it.
public enum Sanitizer {
    /// Longest text that is shown, in characters.
    public static let longest = 256

    /// Whether a scalar may reach a terminal as it is.
    public static func isSafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x20..<0x7f: true
        case 0..<0x20, 0x7f..<0xa0: false  // C0, DEL, C1
        // Unseen, or turning text around.
        case 0xad, 0x61c, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfeff, 0xfff9...0xfffb: false
        case 0xe0000...0xe0fff: false  // tags
        default: true
        }
    }

    /// For a terminal: unsafe characters become visible escapes like `\u{1b}`.
    public static func visible(_ text: String) -> String { visible(text, longest: longest) }

    /// The same with more or fewer characters; what is beyond `longest` is cut.
    public static func visible(_ text: String, longest: Int) -> String {
        if text.utf8.allSatisfy({ (0x20..<0x7f).contains($0) }), text.utf8.count <= longest { return text }
        var result = ""
        for scalar in text.unicodeScalars.prefix(longest) {
            if isSafe(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
        return result
    }

    /// Inside a JSON string: RFC 8259 escapes, and `\uXXXX` for everything that is not safe on a terminal.
    /// `longest`: characters; what is beyond is cut.
    public static func escape(_ text: String, into bytes: inout [UInt8], longest: Int = longest) {
        let plain =
            text.utf8.count <= longest
            && text.utf8.allSatisfy { (0x20..<0x7f).contains($0) && $0 != 0x22 && $0 != 0x5c }
        if plain { return bytes.append(contentsOf: text.utf8) }
        for scalar in text.unicodeScalars.prefix(longest) {
            switch scalar {
            case "\"": bytes.append(contentsOf: [0x5c, 0x22])
            case "\\": bytes.append(contentsOf: [0x5c, 0x5c])
            case _ where isSafe(scalar): bytes.append(contentsOf: String(scalar).utf8)
            default:
                for unit in String(scalar).utf16 {
                    let hex = String(unit, radix: 16)
                    bytes.append(contentsOf: "\\u".utf8)
                    bytes.append(contentsOf: String(repeating: "0", count: 4 - hex.count).utf8)
                    bytes.append(contentsOf: hex.utf8)
                }
            }
        }
    }
}
