// SPDX-License-Identifier: MIT
import SeededRandom
import Testing

@testable import TailraceAnalysis

@Suite("Bodies in chunks")
struct ChunkedBodyTests {
    private func walk(_ text: String) -> ChunkedBody.Walk {
        Array(text.utf8).withUnsafeBytes { ChunkedBody.walk($0) }
    }

    private func isEnd(_ text: String, isWhole: Bool = true, isCut: Bool = false) -> Bool? {
        Array(text.utf8).withUnsafeBytes { ChunkedBody.isEnd($0, isWhole: isWhole, isCut: isCut) }
    }

    @Test(
        "the last chunk, its extensions and trailers",
        arguments: [
            "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "0\r\nX-Sum: 1\r\n\r\n", "0;last=1\r\n\r\n", "000\r\n\r\n",
            "a;x=y\r\n0123456789\r\n0\r\nA: b\r\nC: d\r\n\r\n", "3\r\n0\r\n\r\n0\r\n\r\n",
        ])
    func ends(text: String) {
        #expect(walk(text) == .ends(text.utf8.count))
        #expect(walk(text + "HTTP/1.1 200 OK") == .ends(text.utf8.count))
        #expect(isEnd(text) == true)
        for length in 0..<text.utf8.count {
            let part = String(decoding: Array(text.utf8.prefix(length)), as: UTF8.self)
            #expect(walk(part) == .continues, "\(length) bytes")
        }
    }

    @Test(
        "what only looks like the last chunk, in a call that begins with a chunk",
        arguments: ["3\r\n0\r\n\r\n", "8\r\nc:d\r\n0\r\n\r\n", "6\r\nab 0\r\n\r\n", "6\r\na: b\r\n\r\n"])
    func looksLike(text: String) {
        #expect(walk(text) == .continues)
        #expect(isEnd(text) == false)
    }

    @Test("a call that begins inside a chunk: the lines before the empty one tell")
    func inside() {
        #expect(isEnd("rest of data\r\n0\r\n\r\n") == true)
        #expect(isEnd("rest of data\r\n0\r\nX-Sum: 1\r\nX-Other: a:b\r\n\r\n") == true)
        #expect(isEnd("rest of data\r\n\r\n") == false)
        #expect(isEnd("rest of data, 10\r\n\r\n") == false)
        #expect(isEnd("rest of data\nX-Sum: 1\r\n\r\n") == false)
        #expect(isEnd("no empty line\r\n") == false)
    }

    @Test("the last piece of a call: it begins where its lines do, unless it was cut")
    func pieces() {
        #expect(isEnd("0\r\nX-Sum: 1\r\n\r\n", isWhole: false) == true)
        #expect(isEnd("\r\n0\r\n\r\n", isWhole: false) == true)
        #expect(isEnd("0\r\nX-Sum: 1\r\n\r\n", isWhole: false, isCut: true) == nil)
        #expect(isEnd("cut: 1\r\nX-Sum: 1\r\n\r\n", isWhole: false, isCut: true) == nil)
    }

    @Test("sizes that are none", arguments: ["g\r\n", "\r\n", "-1\r\n", ";x\r\n", "ffffffffffffffff\r\n", " 5\r\n"])
    func badSizes(text: String) {
        #expect(walk(text + "hello\r\n0\r\n\r\n") == .broken)
    }

    @Test("any bytes: no crash", arguments: 0..<200)
    func anyBytes(seed: Int) {
        var generator = SeededGenerator(state: UInt64(seed))
        let pieces = ["0", "\r\n", "\r\n\r\n", "5\r\nhello\r\n", ":", ";", "ffffffffff", "\n", "a: b"]
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 0...20, using: &generator) {
            bytes += Array(pieces.randomElement(using: &generator).map { $0.utf8 } ?? "".utf8)
        }
        bytes.withUnsafeBytes { raw in
            if case .ends(let end) = ChunkedBody.walk(raw) { #expect(end > 0 && end <= raw.count) }
            for isWhole in [true, false] { _ = ChunkedBody.isEnd(raw, isWhole: isWhole, isCut: !isWhole) }
        }
    }
}
