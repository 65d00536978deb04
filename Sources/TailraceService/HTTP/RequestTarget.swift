// SPDX-License-Identifier: MIT
import TailraceModel

/// What a request asks for, decoded strictly: two spellings of one path are never two answers, and nothing in it can climb.
struct RequestTarget: Equatable {
    static let longestPath = 1024
    static let mostParameters = 32

    /// Begins with `/`; no empty, `.` or `..` segment.
    private(set) var path: String
    private(set) var query: [String: String] = [:]

    /// nil: it is none, or none that is taken.
    init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: 0x3f, maxSplits: 1, omittingEmptySubsequences: false)
        guard text.utf8.first == 0x2f, text.utf8.count <= Self.longestPath, let path = Self.path(parts[0]) else {
            return nil
        }
        self.path = path
        guard parts.count > 1, !parts[1].isEmpty else { return }
        guard let query = Self.query(parts[1]) else { return nil }
        self.query = query
    }

    private static func path(_ bytes: some Collection<UInt8>) -> String? {
        var segments = bytes.split(separator: 0x2f, omittingEmptySubsequences: false).dropFirst()
        if segments.count == 1, segments.first?.isEmpty == true { return "/" }
        if segments.count > 1, segments.last?.isEmpty == true { segments.removeLast() }
        var path = ""
        for segment in segments {
            guard let name = decoded(segment, plusIsSpace: false), !name.isEmpty, name != ".", name != "..",
                !name.utf8.contains(0x2f)
            else { return nil }
            path += "/" + name
        }
        return path
    }

    /// As forms are written; a name that is there twice is refused, because readers differ in which they take.
    private static func query(_ bytes: some Collection<UInt8>) -> [String: String]? {
        var query: [String: String] = [:]
        let pairs = bytes.split(separator: 0x26, omittingEmptySubsequences: false)
        guard pairs.count <= mostParameters else { return nil }
        for pair in pairs {
            let sides = pair.split(separator: 0x3d, maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decoded(sides[0], plusIsSpace: true), !name.isEmpty, query[name] == nil,
                let value = sides.count > 1 ? decoded(sides[1], plusIsSpace: true) : ""
            else { return nil }
            query[name] = value
        }
        return query
    }

    /// nil: a `%` without two digits, a byte that has no place in a target, no UTF-8, or text that would move a cursor.
    private static func decoded(_ bytes: some Collection<UInt8>, plusIsSpace: Bool) -> String? {
        var result: [UInt8] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            switch byte {
            case 0x25:
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                    return nil
                }
                result.append(high << 4 | low)
            case 0x2b where plusIsSpace: result.append(0x20)
            case 0x21...0x7e where byte != 0x23: result.append(byte)
            default: return nil
            }
        }
        guard let text = String(validating: result, as: UTF8.self), text.unicodeScalars.allSatisfy(Sanitizer.isSafe)
        else {
            return nil
        }
        return text
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
