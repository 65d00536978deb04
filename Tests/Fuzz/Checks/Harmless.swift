// SPDX-License-Identifier: MIT

/// What a terminal, or a reader of lines, must never get. Listed here once more, and not asked of the sanitizer.
enum Harmless {
    /// Controls, DEL, C1, what turns text around and what is not seen.
    private static let hidden: [ClosedRange<UInt32>] = [
        0x00...0x1f, 0x7f...0x9f, 0xad...0xad, 0x61c...0x61c, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f,
        0xfeff...0xfeff, 0xe0000...0xe007f,
    ]

    /// The first scalar of `text` that must not be there; line breaks may be, where `isLines`.
    static func wrong(in text: String, isLines: Bool = false) -> String? {
        for scalar in text.unicodeScalars {
            if isLines, scalar == "\n" { continue }
            if scalar.value >= 0x20, scalar.value < 0x7f { continue }
            guard hidden.contains(where: { $0.contains(scalar.value) }) else { continue }
            return "U+" + String(scalar.value, radix: 16) + " in \(text.debugDescription.prefix(400))"
        }
        return nil
    }

    /// Of lines that are written out: they are UTF-8 too.
    static func wrong(in bytes: [UInt8]) -> String? {
        if bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7f || $0 == 0x0a }) { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else { return "no UTF-8" }
        return wrong(in: text, isLines: true)
    }
}
