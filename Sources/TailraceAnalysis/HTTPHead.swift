// SPDX-License-Identifier: MIT
import TailraceModel

/// The beginning of a request, as far as it is needed: nothing else of it is kept.
struct RequestHead: Equatable {
    var method: String
    /// Path without query.
    var target: String
    var protocolName: ResponseProtocol
}

/// What the first bytes of a request are.
enum RequestBeginning: Equatable {
    case http(RequestHead)
    case http2
    case tls
    /// Could still become HTTP: more bytes are needed.
    case incomplete
    case opaque
}

/// What the first bytes of a response are.
enum ResponseBeginning: Equatable {
    case http(ResponseHead)
    case incomplete
    case opaque
}

/// The head of an HTTP/1 response (RFC 9112): what decides where it ends, and what is shown of it.
struct ResponseHead: Equatable {
    var status = 0
    var protocolName = ResponseProtocol.http11
    var contentType: String?
    var contentLength: Int64?
    var isChunked = false
    /// Bytes up to and including the empty line.
    var length = 0

    /// 1xx other than 101: the real head is still to come.
    var isInterim: Bool { status / 100 == 1 && status != 101 }
}

/// HTTP/1 heads out of bytes that are not trusted: bounded, no allocation but the strings that are kept.
enum HTTPHead {
    private static let methods = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"]
    /// Longest path that is kept, bytes.
    private static let longestTarget = 256

    /// `isWhole`: no more bytes will come (the kernel's bound is reached).
    static func request(_ bytes: HeadBytes, isWhole: Bool) -> RequestBeginning {
        if bytes.count >= 2, bytes[0] == 0x16, bytes[1] == 3 { return .tls }
        if starts(bytes, with: "PRI * HTTP/2.0") { return .http2 }
        guard let space = bytes.firstIndex(of: 0x20) else {
            let mayBecomeHTTP = bytes.count < 20 && bytes.allSatisfy(isMethodByte)
            return mayBecomeHTTP && !isWhole ? .incomplete : .opaque
        }
        guard space > 0, space < 20, bytes[..<space].allSatisfy(isMethodByte) else { return .opaque }
        let rest = HeadBytes(rebasing: bytes[(space + 1)...])
        let line = rest.firstIndex(of: 0x0a).map { HeadBytes(rebasing: rest[..<$0]) }
        guard line != nil || isWhole else { return .incomplete }
        let text = line ?? rest
        let end = text.firstIndex(of: 0x20) ?? text.count
        if line != nil {
            guard end < text.count, starts(HeadBytes(rebasing: text[(end + 1)...]), with: "HTTP/1.") else {
                return .opaque
            }
        }
        let path = path(of: text[..<end])
        let isOld = line != nil && starts(HeadBytes(rebasing: text[(end + 1)...]), with: "HTTP/1.0")
        return .http(
            RequestHead(
                method: method(bytes[..<space]), target: String(decoding: path.prefix(longestTarget), as: UTF8.self),
                protocolName: isOld ? .http10 : .http11))
    }

    /// Where the next request begins, if `bytes` hold more than one: behind an empty line that another request line follows.
    static func nextRequest(in bytes: HeadBytes) -> Int? {
        var index = 0
        while let end = bytes[index...].firstIndex(of: 0x0a), end + 2 < bytes.count {
            index = end + 1
            let isEmptyLine = bytes[index] == 0x0d && bytes[index + 1] == 0x0a
            guard isEmptyLine else { continue }
            let next = index + 2
            guard next < bytes.count else { return nil }
            if case .http = request(HeadBytes(rebasing: bytes[next...]), isWhole: true) { return next }
            return nil
        }
        return nil
    }

    /// A response's first bytes; incomplete until the empty line is among them.
    static func response(_ bytes: HeadBytes) -> ResponseBeginning {
        let magic = "HTTP/1."
        if bytes.count < 12 {
            return zip(bytes, magic.utf8).allSatisfy { $0 == $1 } ? .incomplete : .opaque
        }
        guard starts(bytes, with: magic), let status = decimal(bytes[9..<12]) else { return .opaque }
        var head = ResponseHead()
        head.status = Int(status)
        head.protocolName = bytes[7] == 0x30 ? .http10 : .http11
        var start = 0
        var isFirst = true
        while let end = bytes[start...].firstIndex(of: 0x0a) {
            var line = bytes[start..<end]
            if line.last == 0x0d { line = line.dropLast() }
            start = end + 1
            if line.isEmpty {
                head.length = start
                return .http(head)
            }
            if !isFirst { field(line, of: &head) }
            isFirst = false
        }
        return .incomplete
    }

    /// The path alone: no query, no fragment, and of the absolute form no authority, which may hold a password.
    private static func path(of target: Slice<HeadBytes>) -> Slice<HeadBytes> {
        var target = target
        if target.first != 0x2f, let colon = target.firstIndex(of: 0x3a),
            target[colon...].starts(with: [0x3a, 0x2f, 0x2f])
        {
            target = target[(colon + 3)...].drop { $0 != 0x2f }
        }
        let path = target.prefix { $0 != 0x3f && $0 != 0x23 }
        return path.first == 0x2f || path.elementsEqual([0x2a]) ? path : path.prefix(0)
    }

    private static func field(_ line: Slice<HeadBytes>, of head: inout ResponseHead) {
        guard let colon = line.firstIndex(of: 0x3a) else { return }
        let name = line[..<colon]
        let value = trimmed(line[(colon + 1)...])
        switch name.count {
        case 14 where equals(name, "content-length"): head.contentLength = decimal(value)
        case 12 where equals(name, "content-type"):
            let media = value.prefix { $0 != 0x3b }
            head.contentType = String(decoding: trimmed(media).prefix(100), as: UTF8.self)
        case 17 where equals(name, "transfer-encoding"):
            head.isChunked = value.count >= 7 && equals(value.suffix(7), "chunked")
        default: break
        }
    }

    private static func method(_ bytes: Slice<HeadBytes>) -> String {
        for known in methods where equals(bytes, exactly: known) { return known }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isMethodByte(_ byte: UInt8) -> Bool {
        (0x41...0x5a).contains(byte) || byte == 0x2d || byte == 0x5f
    }

    private static func starts(_ bytes: HeadBytes, with prefix: StaticString) -> Bool {
        bytes.count >= prefix.utf8CodeUnitCount
            && (0..<prefix.utf8CodeUnitCount).allSatisfy { bytes[$0] == prefix.utf8Start[$0] }
    }

    private static func starts(_ bytes: HeadBytes, with prefix: String) -> Bool {
        bytes.count >= prefix.utf8.count && zip(bytes, prefix.utf8).allSatisfy { $0 == $1 }
    }

    /// ASCII, without regard to case; `name` in lower case.
    private static func equals(_ bytes: Slice<HeadBytes>, _ name: StaticString) -> Bool {
        guard bytes.count == name.utf8CodeUnitCount else { return false }
        var index = 0
        for byte in bytes {
            let lower = (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
            guard lower == name.utf8Start[index] else { return false }
            index += 1
        }
        return true
    }

    private static func equals(_ bytes: Slice<HeadBytes>, exactly name: String) -> Bool {
        bytes.count == name.utf8.count && zip(bytes, name.utf8).allSatisfy { $0 == $1 }
    }

    private static func trimmed(_ bytes: Slice<HeadBytes>) -> Slice<HeadBytes> {
        var value = bytes.drop { $0 == 0x20 || $0 == 0x09 }
        while let last = value.last, last == 0x20 || last == 0x09 { value = value.dropLast() }
        return value
    }

    /// 1 to 18 digits and nothing else.
    private static func decimal(_ bytes: Slice<HeadBytes>) -> Int64? {
        guard (1...18).contains(bytes.count) else { return nil }
        var number: Int64 = 0
        for byte in bytes {
            guard (0x30...0x39).contains(byte) else { return nil }
            number = number * 10 + Int64(byte - 0x30)
        }
        return number
    }
}
