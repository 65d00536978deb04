// SPDX-License-Identifier: MIT
import TailraceModel

/// The beginning of a request, as far as it is needed: nothing else of it is kept. Parts of the bytes that it was found in.
struct RequestHead {
    var method: HeadBytes
    /// Path without query.
    var target: HeadBytes
    var protocolName: ResponseProtocol
}

/// What of a request's head decides where the request ends.
struct RequestExtent {
    /// Bytes up to and including the empty line; nil: that was not read.
    var length: Int?
    var contentLength: Int64 = 0
    var isChunked = false
}

/// What the first bytes of a request are.
enum RequestBeginning {
    case http(RequestHead)
    case http2
    case tls
    /// Could still become HTTP: more bytes are needed.
    case incomplete
    case opaque
}

/// What the first bytes of a response are.
enum ResponseBeginning {
    case http(ResponseHead)
    case incomplete
    case opaque
}

/// The head of an HTTP/1 response (RFC 9112): what decides where it ends, and what is shown of it.
struct ResponseHead {
    var status = 0
    var protocolName = ResponseProtocol.http11
    /// Part of the bytes that it was found in.
    var contentType: HeadBytes?
    var contentLength: Int64?
    var isChunked = false
    /// Bytes up to and including the empty line; nil: the head is longer than what was read of it.
    var length: Int?

    /// 1xx other than 101: the real head is still to come.
    var isInterim: Bool { status / 100 == 1 && status != 101 }

    /// Whether a call of that many bytes that begins with this head surely holds nothing beyond its response.
    func fills(callOf bytes: Int64, toHead isHead: Bool) -> Bool {
        guard let length, bytes > Int64(length) else { return true }
        return !isChunked && !isHead && status != 304 && Int64(length) + (contentLength ?? 0) >= bytes
    }
}

/// HTTP/1 heads out of bytes that are not trusted: bounded, no allocation but the strings that are kept.
enum HTTPHead {
    /// Longest path that is kept, bytes.
    private static let longestTarget = 256

    /// `isWhole`: no more bytes will come (the kernel's bound is reached).
    static func request(_ bytes: HeadBytes, isWhole: Bool) -> RequestBeginning {
        if bytes.count >= 2, bytes[0] == 0x16, bytes[1] == 3 { return .tls }
        if bytes.hasPrefix("PRI * HTTP/2.0") { return .http2 }
        var space = 0
        while space < min(20, bytes.count), isMethodByte(bytes[space]) { space += 1 }
        guard space > 0, space < 20 else { return .opaque }
        guard space < bytes.count else { return isWhole ? .opaque : .incomplete }
        guard bytes[space] == 0x20 else { return .opaque }
        let rest = HeadBytes(rebasing: bytes[(space + 1)...])
        let lineEnd = rest.position(of: 0x0a)
        guard lineEnd != nil || isWhole else { return .incomplete }
        let line = HeadBytes(rebasing: rest[..<(lineEnd ?? rest.count)])
        let end = line.position(of: 0x20) ?? line.count
        let version = HeadBytes(rebasing: line[min(end + 1, line.count)...])
        if lineEnd != nil, !version.hasPrefix("HTTP/1.") { return .opaque }
        let path = path(of: HeadBytes(rebasing: line[..<end]))
        return .http(
            RequestHead(
                method: HeadBytes(rebasing: bytes[..<space]),
                target: path.beginning(longestTarget),
                protocolName: version.hasPrefix("HTTP/1.0") ? .http10 : .http11))
    }

    /// Where a request ends whose head `bytes` begin with.
    static func requestExtent(of bytes: HeadBytes) -> RequestExtent {
        var extent = RequestExtent()
        var start = 0
        while let offset = HeadBytes(rebasing: bytes[start...]).position(of: 0x0a) {
            let end = offset > 0 && bytes[start + offset - 1] == 0x0d ? start + offset - 1 : start + offset
            let line = HeadBytes(rebasing: bytes[start..<end])
            start += offset + 1
            if line.isEmpty {
                extent.length = start
                return extent
            }
            if let value = value(of: "content-length", in: line) {
                extent.contentLength = decimal(value) ?? 0
            } else if let value = value(of: "transfer-encoding", in: line) {
                extent.isChunked = isChunked(value)
            }
        }
        return extent
    }

    /// A response's first bytes; incomplete until the empty line is among them, unless `isWhole`: no more of it will come.
    static func response(_ bytes: HeadBytes, isWhole: Bool = false) -> ResponseBeginning {
        if bytes.count < 12 { return HeadBytes.magic(isPrefixedBy: bytes) ? .incomplete : .opaque }
        guard bytes.hasPrefix("HTTP/1."), (0x30...0x39).contains(bytes[7]), bytes[8] == 0x20,
            let status = decimal(HeadBytes(rebasing: bytes[9..<12]))
        else { return .opaque }
        var head = ResponseHead()
        head.status = Int(status)
        head.protocolName = bytes[7] == 0x30 ? .http10 : .http11
        var start = 0
        while let offset = HeadBytes(rebasing: bytes[start...]).position(of: 0x0a) {
            let end = offset > 0 && bytes[start + offset - 1] == 0x0d ? start + offset - 1 : start + offset
            let line = HeadBytes(rebasing: bytes[start..<end])
            let isStatusLine = start == 0
            start += offset + 1
            if line.isEmpty {
                head.length = start
                return .http(head)
            }
            if !isStatusLine { field(line, of: &head) }
        }
        return isWhole ? .http(head) : .incomplete
    }

    /// The path alone: no query, no fragment, and of the absolute form no authority, which may hold a password.
    static func path(of target: HeadBytes) -> HeadBytes {
        // First of all: what stands in a query is no path, whatever it looks like.
        var end = 0
        while end < target.count, target[end] != 0x3f, target[end] != 0x23 { end += 1 }
        var target = HeadBytes(rebasing: target[..<end])
        if target.first != 0x2f, let colon = target.position(of: 0x3a) {
            let behind = HeadBytes(rebasing: target[(colon + 1)...])
            guard behind.hasPrefix("//") else { return HeadBytes(rebasing: target[..<0]) }
            let authority = HeadBytes(rebasing: behind[2...])
            target = HeadBytes(rebasing: authority[(authority.position(of: 0x2f) ?? authority.count)...])
        }
        return target.first == 0x2f || (target.count == 1 && target[0] == 0x2a)
            ? target : HeadBytes(rebasing: target[..<0])
    }

    private static func field(_ line: HeadBytes, of head: inout ResponseHead) {
        // Where the colon stands decides before anything is compared: few fields are ours.
        if let value = value(of: "content-length", in: line) {
            head.contentLength = decimal(value)
        } else if let value = value(of: "content-type", in: line) {
            let media = HeadBytes(rebasing: value[..<(value.position(of: 0x3b) ?? value.count)])
            head.contentType = trimmed(media).beginning(100)
        } else if let value = value(of: "transfer-encoding", in: line) {
            head.isChunked = isChunked(value)
        }
    }

    /// The last of the codings is what delimits.
    private static func isChunked(_ codings: HeadBytes) -> Bool {
        codings.count >= 7 && HeadBytes(rebasing: codings.suffix(7)).equals("chunked")
    }

    /// nil: the line is another field.
    @inline(__always)
    static func value(of name: StaticString, in line: HeadBytes) -> HeadBytes? {
        let colon = name.utf8CodeUnitCount
        guard line.count > colon, line[colon] == 0x3a, HeadBytes(rebasing: line[..<colon]).equals(name) else {
            return nil
        }
        return trimmed(HeadBytes(rebasing: line[(colon + 1)...]))
    }

    /// Whether a line without its end could go on as a field that decides.
    static func mayBecomeField(_ line: HeadBytes) -> Bool {
        for name: StaticString in ["content-length", "content-type", "transfer-encoding"]
        where line.count < name.utf8CodeUnitCount + 1 {
            if zip(line, UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
                .allSatisfy({ $0 | 0x20 == $1 })
            {
                return true
            }
        }
        return false
    }

    private static func isMethodByte(_ byte: UInt8) -> Bool {
        (0x41...0x5a).contains(byte) || byte == 0x2d || byte == 0x5f
    }

    private static func trimmed(_ bytes: HeadBytes) -> HeadBytes {
        var (start, end) = (0, bytes.count)
        while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
        while end > start, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
        return HeadBytes(rebasing: bytes[start..<end])
    }

    /// 1 to 18 digits and nothing else.
    private static func decimal(_ bytes: HeadBytes) -> Int64? {
        guard (1...18).contains(bytes.count) else { return nil }
        var number: Int64 = 0
        for byte in bytes {
            guard (0x30...0x39).contains(byte) else { return nil }
            number = number * 10 + Int64(byte - 0x30)
        }
        return number
    }
}
