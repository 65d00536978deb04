// SPDX-License-Identifier: MIT
import Testing

@testable import TailraceService

@Suite("Where a collector is")
struct OTLPEndpointTests {
    @Test(
        "is understood",
        arguments: [
            ("http://127.0.0.1:4318", "127.0.0.1", 4318, ""), ("http://collector", "collector", 4318, ""),
            ("HTTP://collector.example:80/", "collector.example", 80, ""),
            ("http://[::1]:4318/otlp/in/", "::1", 4318, "/otlp/in"), ("http://[fe80::1]", "fe80::1", 4318, ""),
            ("http://a_b-c.d:65535/~x", "a_b-c.d", 65535, "/~x"),
        ])
    func understood(text: String, host: String, port: Int, prefix: String) throws {
        let endpoint = try OTLPEndpoint(text)
        #expect(endpoint.host == host && endpoint.port == port && endpoint.prefix == prefix)
        #expect(try OTLPEndpoint(endpoint.description) == endpoint)
    }

    @Test(
        "is refused in one sentence",
        arguments: [
            "", "127.0.0.1:4318", "http:", "http:/", "http://", "http://:4318", "http://host:", "http://host:0",
            "http://host:65536", "http://host:+1", "http://host:4318:1", "http://user@host", "http://ho st",
            "http://[::1",
            "http://[]:1", "http://[::1]4318", "http://[host]:1", "http://host/a?b", "http://host/a#b",
            "http://host/../a",
            "http://host/a\r\nX: y", "http://h\u{f6}st", "unix:///run/x", "grpc://host:4317",
        ])
    func refused(text: String) {
        #expect(throws: ServiceError.self) { try OTLPEndpoint(text) }
    }

    @Test("over TLS is a matter of a local collector")
    func tls() {
        let error = #expect(throws: ServiceError.self) { try OTLPEndpoint("https://collector:4318") }
        #expect(error?.description.contains("send to a local collector over http://") == true)
    }

    @Test("what it asks for is a time")
    func retryAfter() {
        let wall = 784_111_777  // 1994-11-06 08:49:37
        #expect(OTLPReply.pause(retryAfter: "7", wall: wall) == 7_000_000_000)
        #expect(OTLPReply.pause(retryAfter: "Sun, 06 Nov 1994 08:49:47 GMT", wall: wall) == 10_000_000_000)
        #expect(OTLPReply.pause(retryAfter: "Sun, 06 Nov 1994 08:49:07 GMT", wall: wall) == 0)
        #expect(OTLPReply.pause(retryAfter: "Sun, 06 Nov 9999 08:49:07 GMT", wall: wall) == OTLPQueue.longestAsked)
        #expect(OTLPReply.pause(retryAfter: "99999999999999999999999", wall: wall) == OTLPQueue.longestAsked)
        for text in ["", "-1", "soon", "7 s", "Sun, 06 Nov 1994", "Sun, 99 Nov 1994 08:49:47 GMT"] {
            #expect(OTLPReply.pause(retryAfter: text, wall: wall) == nil, "\(text)")
        }
    }

    @Test("what it did not keep is counted")
    func rejected() {
        let cases: [(String, UInt64)] = [
            ("{}", 0), ("", 0), (#"{"partialSuccess":{"rejectedDataPoints":"17","errorMessage":"old"}}"#, 17),
            (#"{"partialSuccess":{"rejectedSpans": 3}}"#, 3), (#"{"rejectedSpans":"#, 0),
            (#"{"rejectedSpans":"99999999999999999999999"}"#, 0),
        ]
        for (text, wanted) in cases { #expect(OTLPReply.rejected(in: Array(text.utf8)) == wanted, "\(text)") }
    }
}
