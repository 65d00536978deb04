// SPDX-License-Identifier: MIT
import TailraceModel

/// What a server reads on one connection: keeps the first line of each request as `RequestLineRedactor` does, the fields that
/// say how long its body is, and where it ends; blanks the rest.
struct RequestRedactor {
    private enum Place {
        case line(RequestLineRedactor)
        case fields(ResponseHeadRedactor)
        case behind
    }
    /// Of a connection that was not seen, or forgotten between requests: HTTP's empty lines are kept in any case.
    private var stream = RequestStream(assuming: .http11)
    private var place = Place.behind

    /// `bytes` are the beginning of `read`. True: it ends inside of something.
    mutating func redact(_ bytes: UnsafeMutableRawBufferPointer, of read: RequestRead) -> Bool {
        var read = read
        var rest = bytes
        read.head = HeadBytes(bytes)
        while read.bytes > 0 {
            let isBetween = stream.isAtBoundary
            let (part, count) = stream.next(of: read, isIdle: false)
            let own = UnsafeMutableRawBufferPointer(rebasing: rest.prefix(Int(min(count, Int64(rest.count)))))
            rest = UnsafeMutableRawBufferPointer(rebasing: rest[own.count...])
            _ = read.divided(after: count)
            switch part {
            case .same: if isBetween { place = .behind }
            case .next, .opaque: place = .line(RequestLineRedactor())
            }
            redactOne(own)
        }
        return !stream.isAtBoundary
    }

    private mutating func redactOne(_ bytes: UnsafeMutableRawBufferPointer) {
        switch place {
        case .line(var line):
            switch line.redact(bytes) {
            case .unfinished: place = .line(line.continued)
            case .ended(let end):
                place = .fields(ResponseHeadRedactor(ofRequest: ()))
                redactOne(UnsafeMutableRawBufferPointer(rebasing: bytes[end...]))
            case .opaque(let kept, let lineEnd):
                bytes.blank(kept..<bytes.count)
                if let lineEnd { bytes[lineEnd] = 0x0a }
                place = .behind
            }
        case .fields(var fields): place = fields.redact(bytes) ? .fields(fields) : .behind
        case .behind:
            // Empty lines between requests are no payload, and have to be known again.
            if !bytes.allSatisfy({ $0 == 0x0d || $0 == 0x0a }) { bytes.blank(0..<bytes.count) }
        }
    }
}
