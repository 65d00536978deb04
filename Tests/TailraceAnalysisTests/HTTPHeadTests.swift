// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceAnalysis

@Suite("HTTP/1 heads")
struct HTTPHeadTests {
    private enum Kind { case http, http2, tls, incomplete, opaque }

    private func request(_ text: String) -> (kind: Kind, target: String?) {
        Array(text.utf8).withUnsafeBytes { bytes in
            switch HTTPHead.request(bytes, isWhole: false) {
            case .http(let head): (.http, String(decoding: head.target, as: UTF8.self))
            case .http2: (.http2, nil)
            case .tls: (.tls, nil)
            case .incomplete: (.incomplete, nil)
            case .opaque: (.opaque, nil)
            }
        }
    }

    private func response(_ text: some Collection<UInt8>) -> (kind: Kind, head: KnownHead?) {
        var texts = TextCache()
        return Array(text).withUnsafeBytes { bytes in
            switch HTTPHead.response(bytes) {
            case .http(let head): (.http, KnownHead(head, &texts))
            case .incomplete: (.incomplete, nil)
            case .opaque: (.opaque, nil)
            }
        }
    }

    @Test(
        "of a target, only the path is kept",
        arguments: [
            ("/a/b?secret=1", "/a/b"), ("/a#secret", "/a"), ("http://user:secret@host:80/a?secret", "/a"),
            ("http://user:secret@host", ""), ("http://host?x=/secret", ""), ("*", "*"), ("secret:443", ""), ("/", "/"),
            ("//x/y", "//x/y"),
        ])
    func paths(target: String, path: String) {
        #expect(request("GET \(target) HTTP/1.1\r\n\r\n").target == path)
    }

    @Test("what is not HTTP/1 is not taken for it")
    func others() {
        #expect(request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").kind == .http2)
        #expect(request("\u{16}\u{3}\u{1}\u{2}").kind == .tls)
        #expect(request("PING\r\n").kind == .opaque)
        #expect(request("get / HTTP/1.1\r\n").kind == .opaque)
        #expect(request("GET / SMTP/1.1\r\n").kind == .opaque)
        #expect([.incomplete, .opaque].contains(request("").kind))
        #expect(response("+PONG\r\n+PONG\r\n".utf8).kind == .opaque)
        #expect(response("HTTP/1.1 2x0 OK\r\n\r\n".utf8).kind == .opaque)
    }

    @Test("fields that decide, in any case, and no others")
    func fields() throws {
        let text =
            "HTTP/1.0 206 Partial\r\nCONTENT-LENGTH:  17 \r\nX-Content-Length: 99\r\nContent-Type: text/html; q=1\r\n\r\nbody"
        let head = try #require(response(text.utf8).head)
        #expect(head.status == 206 && head.contentLength == 17 && head.contentType == "text/html")
        #expect(head.protocolName == .http10 && !head.isChunked)
        #expect(head.length == text.utf8.count - 4)
    }

    @Test("a length that is no number is not believed")
    func badLengths() throws {
        for value in ["", "-1", "1e3", "99999999999999999999", "5, 5"] {
            let head = try #require(response("HTTP/1.1 200 OK\r\nContent-Length: \(value)\r\n\r\n".utf8).head)
            #expect(head.contentLength == nil, "\(value)")
        }
    }

    @Test("every beginning of a head is incomplete, never something else")
    func prefixes() {
        let text = Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        for length in 0..<text.count {
            #expect(response(text[..<length]).kind == .incomplete, "\(length) bytes")
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
            if let length = HTTPHead.requestExtent(of: raw).length { #expect(length > 0 && length <= raw.count) }
        }
    }
}
