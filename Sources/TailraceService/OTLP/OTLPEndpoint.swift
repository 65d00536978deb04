// SPDX-License-Identifier: MIT

/// Where a collector takes OTLP over HTTP: `http://host[:port][/prefix]`.
public struct OTLPEndpoint: Sendable, Equatable, CustomStringConvertible {
    /// OTLP's own over HTTP.
    public static let defaultPort = 4318
    static let longest = 1024

    /// A name, or an address without brackets.
    public let host: String
    /// 1...65535
    public let port: Int
    /// Of every path, without a slash at its end; may be empty.
    public let prefix: String

    /// What is wrong with the text is said in one sentence.
    public init(_ text: String) throws(ServiceError) {
        func refused(_ why: String) -> ServiceError {
            ServiceError("\(text.prefix(80)) is no endpoint for OTLP: \(why)")
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let scheme = parts[0].lowercased()
        if scheme == "https" {
            throw refused("TLS is not spoken here; send to a local collector over http://, which forwards over TLS")
        }
        guard scheme == "http", parts.count == 2, parts[1].hasPrefix("//"), text.utf8.count <= Self.longest else {
            throw refused("write it like http://127.0.0.1:\(Self.defaultPort)")
        }
        let rest = parts[1].dropFirst(2)
        let authority = rest.prefix { $0 != "/" }
        guard let (host, port) = Self.place(authority) else {
            throw refused(
                "host and port are not understood; write them like 127.0.0.1:4318, [::1]:4318 or collector:4318")
        }
        guard let prefix = Self.prefix(rest.dropFirst(authority.count)) else {
            throw refused("its path may have letters, digits and any of /-._~ only")
        }
        (self.host, self.port, self.prefix) = (host, port, prefix)
    }

    /// As it is written in a Host field.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The whole, with its port.
    public var description: String { "http://\(authority)\(prefix)" }

    private static func place(_ text: Substring) -> (String, Int)? {
        var host = text
        var port = ""[...]
        var hasPort = false
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<end]
            let after = text[text.index(after: end)...]
            guard after.isEmpty || after.first == ":", host.utf8.contains(0x3a), host.utf8.allSatisfy(isOfAddress)
            else {
                return nil
            }
            (port, hasPort) = (after.dropFirst(), !after.isEmpty)
        } else if let colon = text.firstIndex(of: ":") {
            (host, port, hasPort) = (text[..<colon], text[text.index(after: colon)...], true)
        }
        guard !host.isEmpty, text.first == "[" || host.utf8.allSatisfy(isOfName) else { return nil }
        if !hasPort { return (String(host), defaultPort) }
        guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(port), number > 0 else {
            return nil
        }
        return (String(host), Int(number))
    }

    private static func prefix(_ text: Substring) -> String? {
        var text = text
        while text.last == "/" { text.removeLast() }
        let isPlain = text.utf8.allSatisfy { isOfName($0) || $0 == 0x2f || $0 == 0x7e }
        let segments = text.split(separator: "/")
        return isPlain && !segments.contains { $0 == "." || $0 == ".." } ? String(text) : nil
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
        default: false
        }
    }

    private static func isOfAddress(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66, 0x3a, 0x2e: true
        default: false
        }
    }
}
