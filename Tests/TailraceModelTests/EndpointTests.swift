// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@Suite("Endpoints")
struct EndpointTests {
    private func endpoint(_ bytes: [UInt8], ipv4: Bool = false) -> String {
        let words = bytes.withUnsafeBytes {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return Endpoint(ipv4: ipv4, bytes: words, port: 80).description
    }

    @Test("IPv4, plain and mapped")
    func ipv4() {
        #expect(endpoint([127, 0, 0, 1] + Array(repeating: 0, count: 12), ipv4: true) == "127.0.0.1:80")
        #expect(endpoint(Array(repeating: 0, count: 10) + [0xff, 0xff, 10, 1, 2, 3]) == "10.1.2.3:80")
    }

    @Test("IPv6 as RFC 5952 writes it")
    func ipv6() {
        #expect(endpoint(Array(repeating: 0, count: 15) + [1]) == "[::1]:80")
        #expect(endpoint([0x20, 1, 0xd, 0xb8] + Array(repeating: 0, count: 11) + [1]) == "[2001:db8::1]:80")
        #expect(
            endpoint([0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]) == "[2001:db8:0:1::1]:80")
        #expect(endpoint(Array(repeating: 0, count: 16)) == "[::]:80")
    }
}
