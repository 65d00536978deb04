// SPDX-License-Identifier: MIT
import Foundation
import TailraceModel
import Testing

@testable import TailraceOutput

/// Names that people gave to processes to take over terminals, and some that break lines, labels or the order of text.
let hostileTexts = [
    "\u{1b}]52;c;aGk=\u{7}", "\u{1b}[2J\u{1b}[31m", "a\nb", "a\r\"}", "tab\there", "\u{9b}31m", "\u{202e}txt.exe",
    "a\u{2028}b",
    "\u{200b}hidden", "back\\slash\"quote", "\u{0}", "\u{7f}", "naïve 日本 🙂", "\u{e0041}tag", "\u{feff}bom",
]

@Suite("The sanitizer")
struct SanitizerTests {
    @Test("nothing that moves a cursor, breaks a line or turns text around reaches a terminal", arguments: hostileTexts)
    func terminal(text: String) {
        for scalar in Sanitizer.visible(text).unicodeScalars {
            #expect(scalar.value >= 0x20 && !(0x7f..<0xa0).contains(scalar.value))
            #expect(!(0x202a...0x202e).contains(scalar.value) && !(0x2028...0x2029).contains(scalar.value))
            #expect(scalar.value != 0x200b && scalar.value != 0xfeff && scalar.value < 0xe0000)
        }
    }

    @Test("JSON stays one line, carries no control byte, and gives the text back", arguments: hostileTexts)
    func json(text: String) throws {
        var line = JSONLine(type: "test")
        line.field("text", string: text)
        let bytes = line.closed()
        #expect(bytes.filter { $0 == 0x0a }.count == 1)
        #expect(bytes.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7f })
        let object = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
        #expect(object["text"] as? String == text)
        #expect(object["v"] as? Int == 1)
    }

    @Test("ordinary text passes unchanged")
    func ordinary() {
        #expect(Sanitizer.visible("GET /naïve/日本") == "GET /naïve/日本")
        #expect(Sanitizer.visible("a\u{1b}b") == "a\\u{1b}b")
    }

    @Test("text is cut")
    func cut() {
        #expect(Sanitizer.visible(String(repeating: "x", count: 10_000)).count == Sanitizer.longest)
    }
}
