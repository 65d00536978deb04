// SPDX-License-Identifier: MIT
@testable import TailraceService

/// A request's target, and a collector's endpoint: what is taken is safe to show, cannot climb, and written plainly it is taken
/// again as the same.
enum TargetsCheck {
    static func wrong(with bytes: UnsafeRawBufferPointer) -> String? {
        let text = String(decoding: bytes, as: UTF8.self)
        return target(text) ?? endpoint(text) ?? reply(Array(bytes), text)
    }

    private static func target(_ text: String) -> String? {
        guard let target = RequestTarget(text) else { return nil }
        if !text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) { return "taken: \(text.debugDescription)" }
        for part in [target.path] + target.query.flatMap({ [$0.key, $0.value] }) {
            if let wrong = Harmless.wrong(in: part) { return wrong }
        }
        let segments = target.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        if !target.path.hasPrefix("/") || segments.contains(where: { $0 == "." || $0 == ".." }) {
            return "the path is \(target.path)"
        }
        if segments.count > 1, segments.contains("") { return "the path is \(target.path)" }
        var plain = "/" + segments.map { encoded($0) }.joined(separator: "/")
        if !target.query.isEmpty {
            plain +=
                "?" + target.query.map { encoded($0.key[...]) + "=" + encoded($0.value[...]) }.joined(separator: "&")
        }
        // Longer, because more of it is written with digits.
        if plain.utf8.count > RequestTarget.longestPath { return nil }
        let again = RequestTarget(plain)
        return again == target ? nil : "\(plain) is \(String(describing: again)), and not \(target)"
    }

    /// Letters and digits as they are, all else as %XX.
    private static func encoded(_ text: Substring) -> String {
        text.utf8.map { byte in
            let scalar = Unicode.Scalar(byte)
            if scalar.isASCII, scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
                return String(Character(scalar))
            }
            let hex = String(byte, radix: 16)
            return "%" + (hex.count < 2 ? "0" : "") + hex
        }.joined()
    }

    private static func endpoint(_ text: String) -> String? {
        guard let endpoint = try? OTLPEndpoint(text) else { return nil }
        // They go into a head as they are.
        for part in [endpoint.host, endpoint.prefix] where !part.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) {
            return "an endpoint of \(part.debugDescription)"
        }
        if !(1...65535).contains(endpoint.port) || endpoint.host.isEmpty { return "no endpoint: \(endpoint)" }
        return (try? OTLPEndpoint(endpoint.description)) == endpoint ? nil : "\(endpoint) is another"
    }

    private static func reply(_ bytes: [UInt8], _ text: String) -> String? {
        if let pause = OTLPReply.pause(retryAfter: text, wall: 1_700_000_000),
            !(0...OTLPQueue.longestAsked).contains(pause)
        {
            return "a pause of \(pause)"
        }
        return OTLPReply.rejected(in: bytes) <= 1 << 32 ? nil : "too many were rejected"
    }
}
