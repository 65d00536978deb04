// SPDX-License-Identifier: MIT

/// Puts the requests of one route together: what changes from request to request is taken out of the path.
enum TargetGroup {
    /// `GET /users/17` and `GET /users/18` are both `GET /users/{n}`; a segment of 16 or more hexadecimal digits and
    /// hyphens is `{id}`.
    static func name(method: String?, target: String?) -> String {
        guard var target else { return method ?? "-" }
        let method = method ?? ""
        let capacity = method.utf8.count + 1 + 4 * target.utf8.count
        return target.withUTF8 { path in
            String(unsafeUninitializedCapacity: capacity) { name in
                var end = 0
                for byte in method.utf8 { append(byte, name, &end) }
                if end > 0 { append(0x20, name, &end) }
                group(path, name, &end)
                return end
            }
        }
    }

    private static func group(
        _ path: UnsafeBufferPointer<UInt8>, _ name: UnsafeMutableBufferPointer<UInt8>, _ end: inout Int
    ) {
        var start = 0
        while start < path.count {
            var next = start
            while next < path.count, path[next] != slash { next += 1 }
            let segment = path[start..<next]
            switch kind(of: segment) {
            case .number: for byte in "{n}".utf8 { append(byte, name, &end) }
            case .id: for byte in "{id}".utf8 { append(byte, name, &end) }
            case .word: for byte in segment { append(byte, name, &end) }
            }
            if next < path.count { append(slash, name, &end) }
            start = next + 1
        }
    }

    private static let slash: UInt8 = 0x2f

    private static func append(_ byte: UInt8, _ name: UnsafeMutableBufferPointer<UInt8>, _ end: inout Int) {
        name[end] = byte
        end += 1
    }

    private enum Kind { case word, number, id }

    private static func kind(of segment: Slice<UnsafeBufferPointer<UInt8>>) -> Kind {
        var isNumber = !segment.isEmpty
        for byte in segment where !(0x30...0x39).contains(byte) {
            isNumber = false
            let isHex = (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte) || byte == 0x2d
            if !isHex { return .word }
        }
        return isNumber ? .number : segment.count >= 16 ? .id : .word
    }
}
