// SPDX-License-Identifier: MIT
import Testing

@testable import TailraceTasks

@Suite("bytes that somebody else wrote")
struct UntrustedBytesTests {
    private let bytes = UntrustedBytes([1, 2, 3, 4, 5, 6, 7, 8, 9])

    @Test("a number is read where all of it is there, and nowhere else")
    func numbers() {
        #expect(bytes.integer(UInt32.self, at: 5) == 0x0908_0706)
        #expect(bytes.integer(UInt64.self, at: 1) == 0x0908_0706_0504_0302)
        for offset in [-1, 2, 9, Int.max, Int.min, Int.max - 7] {
            #expect(bytes.integer(UInt64.self, at: offset) == nil, "at \(offset)")
        }
        #expect(bytes.bytes(at: 9, length: 0)?.isEmpty == true)
        #expect(bytes.bytes(at: 0, length: Int.max) == nil)
        #expect(bytes.bytes(at: 8, length: -1) == nil)
    }

    @Test("text ends at a zero, or is cut")
    func text() {
        let bytes = UntrustedBytes(Array("name\0rest".utf8))
        #expect(bytes.text(at: 0) == "name")
        #expect(bytes.text(at: 5) == nil)
        #expect(bytes.text(at: 0, longest: 2) == "na~")
        #expect(bytes.text(at: 99) == nil)
        #expect(bytes.isText(Array("name".utf8), at: 0))
        #expect(!bytes.isText(Array("nam".utf8), at: 0))
        #expect(!bytes.isText(Array("rest".utf8), at: 5))
    }

    @Test("a number of seven bits a byte ends within five")
    func variableLength() {
        var place = 0
        #expect(UntrustedBytes([0xe5, 0x8e, 0x26]).variableLength(at: &place) == 624_485)
        #expect(place == 3)
        place = 0
        #expect(UntrustedBytes([UInt8](repeating: 0xff, count: 99)).variableLength(at: &place) == nil)
        place = 0
        #expect(UntrustedBytes([0x80]).variableLength(at: &place) == nil)
    }
}
