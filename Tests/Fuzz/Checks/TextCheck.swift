// SPDX-License-Identifier: MIT
import TailraceModel

@testable import TailraceOutput

/// Text from outside, on its way to a terminal and into JSON.
enum TextCheck {
    static func wrong(with bytes: UnsafeRawBufferPointer) -> String? {
        let text = String(decoding: bytes, as: UTF8.self)
        let visible = Sanitizer.visible(text)
        if let wrong = Harmless.wrong(in: visible) { return "visible: " + wrong }
        if text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value < 0x7f }),
            visible != String(text.prefix(Sanitizer.longest))
        {
            return "plain text became \(visible.debugDescription)"
        }
        if Sanitizer.visible(visible) != visible, visible.unicodeScalars.count <= Sanitizer.longest {
            return "what is safe is changed: \(visible.debugDescription)"
        }
        return json(text)
    }

    private static func json(_ text: String) -> String? {
        var escaped: [UInt8] = []
        Sanitizer.escape(text, into: &escaped, longest: .max)
        guard let written = String(validating: escaped, as: UTF8.self) else { return "JSON is no UTF-8" }
        if let wrong = Harmless.wrong(in: written) { return "JSON: " + wrong }
        guard let back = unescaped(escaped) else { return "no JSON string: \(written.debugDescription)" }
        // By scalars: two strings are equal where they only look so.
        if !back.elementsEqual(text.utf16) { return "JSON gives back another text than \(text.debugDescription)" }
        var line = JSONLine(type: "text")
        line.field("text", string: text)
        let bytes = line.closed()
        return bytes.filter { $0 == 0x0a }.count == 1 ? nil : "not one line"
    }

    /// RFC 8259 section 7, strictly; nil: it is no inside of a string.
    private static func unescaped(_ bytes: [UInt8]) -> [UInt16]? {
        var units: [UInt16] = []
        var rest = String(decoding: bytes, as: UTF8.self).utf16[...]
        while let unit = rest.popFirst() {
            if unit == 0x22 || unit < 0x20 { return nil }
            guard unit == 0x5c else {
                units.append(unit)
                continue
            }
            switch rest.popFirst() {
            case 0x22?: units.append(0x22)
            case 0x5c?: units.append(0x5c)
            case 0x75?:
                let digits = rest.prefix(4)
                guard digits.count == 4, let value = UInt16(String(digits) ?? "", radix: 16) else { return nil }
                units.append(value)
                rest = rest.dropFirst(4)
            default: return nil
            }
        }
        return units
    }
}
