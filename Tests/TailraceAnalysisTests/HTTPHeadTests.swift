// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite("HTTP/1 heads")
struct HTTPHeadTests {
    private func request(_ text: String, isWhole: Bool = false) -> RequestBeginning {
        Array(text.utf8).withUnsafeBytes { HTTPHead.request($0, isWhole: isWhole) }
    }

    private func response(_ text: String) -> ResponseBeginning {
        Array(text.utf8).withUnsafeBytes { HTTPHead.response($0) }
    }

    @Test(
        "of a target, only the path is kept",
        arguments: [
            ("/a/b?secret=1", "/a/b"), ("/a#secret", "/a"), ("http://user:secret@host:80/a?secret", "/a"),
            ("http://user:secret@host", ""), ("*", "*"), ("secret:443", ""), ("/", "/"), ("//x/y", "//x/y"),
        ])
    func paths(target: String, path: String) throws {
        guard case .http(let head) = request("GET \(target) HTTP/1.1\r\n\r\n") else { throw NotHTTP() }
        #expect(head.target == path)
    }

    @Test("what is not HTTP/1 is not taken for it")
    func others() {
        #expect(request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == .http2)
        #expect(request("\u{16}\u{3}\u{1}\u{2}") == .tls)
        #expect(request("PING\r\n") == .opaque)
        #expect(request("get / HTTP/1.1\r\n") == .opaque)
        #expect(request("GET / SMTP/1.1\r\n") == .opaque)
        #expect(request("") == .incomplete || request("") == .opaque)
        #expect(response("+PONG\r\n+PONG\r\n") == .opaque)
        #expect(response("HTTP/1.1 2x0 OK\r\n\r\n") == .opaque)
    }

    @Test("fields that decide, in any case, and no others")
    func fields() throws {
        let text =
            "HTTP/1.0 206 Partial\r\nCONTENT-LENGTH:  17 \r\nX-Content-Length: 99\r\nContent-Type: text/html; q=1\r\n\r\nbody"
        guard case .http(let head) = response(text) else { throw NotHTTP() }
        #expect(head.status == 206 && head.contentLength == 17 && head.contentType == "text/html")
        #expect(head.protocolName == .http10 && !head.isChunked)
        #expect(head.length == text.utf8.count - 4)
    }

    @Test("a length that is no number is not believed")
    func badLengths() throws {
        for value in ["", "-1", "1e3", "99999999999999999999", "5, 5"] {
            guard case .http(let head) = response("HTTP/1.1 200 OK\r\nContent-Length: \(value)\r\n\r\n") else {
                throw NotHTTP()
            }
            #expect(head.contentLength == nil, "\(value)")
        }
    }

    @Test("every beginning of a head is incomplete, never something else")
    func prefixes() {
        let text = Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        for length in 0..<text.count {
            #expect(text[..<length].withUnsafeBytes { HTTPHead.response($0) } == .incomplete, "\(length) bytes")
        }
    }

    @Test("any bytes: no crash, and nothing but ASCII paths of HTTP", arguments: 0..<200)
    func anyBytes(seed: Int) {
        var generator = SeededGenerator(state: UInt64(seed))
        let pieces = [
            "GET ", "HTTP/1.1", " 200 ", "\r\n", "\r\n\r\n", "Content-Length: ", "chunked", ":", "//", "?", "@", "\n",
        ]
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 0...30, using: &generator) {
            if Bool.random(using: &generator) {
                bytes += Array(pieces.randomElement(using: &generator).map { $0.utf8 } ?? "".utf8)
            } else {
                bytes.append(UInt8.random(in: 0...255, using: &generator))
            }
        }
        bytes.withUnsafeBytes { raw in
            for isWhole in [true, false] { _ = HTTPHead.request(raw, isWhole: isWhole) }
            _ = HTTPHead.response(raw)
            if let next = HTTPHead.nextRequest(in: raw) { #expect(next > 0 && next < raw.count) }
        }
    }

    private struct NotHTTP: Error {}
}
