// SPDX-License-Identifier: MIT
import TailraceModel

/// What of a request's method decides where its response ends.
enum RequestMethod {
    case head, connect, other

    init(_ name: HeadBytes) {
        switch name.count {
        case 4 where name.hasPrefix("HEAD"): self = .head
        case 7 where name.hasPrefix("CONNECT"): self = .connect
        default: self = .other
        }
    }
}

/// What marks a response's end (RFC 9112 section 6.3).
enum Framing: Equatable {
    /// Its head has not been seen yet.
    case unseen
    /// It ends after this many bytes, head included.
    case length(Int64)
    /// It ends with the chunk of length 0.
    case chunked
    /// It ends when the server closes.
    case untilClose
    /// It was under way when tracing began: only the chunk of length 0 would tell.
    case adopted
    /// Nothing in it tells: it ends when the client speaks again, or the connection ends.
    case untilDirectionChange

    /// For a response whose head ends `end` bytes after its first byte (nil: that was not seen), to a request with this
    /// method.
    init(head: KnownHead, endingAt end: Int64?, method: RequestMethod) {
        guard let end else {
            self = head.isChunked ? .chunked : .untilDirectionChange
            return
        }
        switch head.status {
        case 101: self = .untilClose
        case 204, 304: self = .length(end)
        default:
            if method == .head {
                self = .length(end)
            } else if method == .connect, head.status / 100 == 2 {
                self = .untilClose
            } else if head.isChunked {
                self = .chunked
            } else if let length = head.contentLength {
                self = .length(end + length)
            } else {
                self = .untilClose
            }
        }
    }

    /// Whether a response with this framing is complete after `bytes`, the last of which are `tail`. `endsChunks`: whether they
    /// end with a last chunk, where that is known.
    func isComplete(bytes: Int64, tail: UInt64?, endsChunks: Bool? = nil) -> Bool {
        switch self {
        case .length(let total): bytes >= total
        case .chunked: endsChunks ?? tail.map(Framing.isLastChunk) ?? false
        case .adopted: tail.map { $0 >> 8 == 0x0a0d_0a0d_300a_0d } ?? false
        case .unseen, .untilClose, .untilDirectionChange: false
        }
    }

    /// `CRLF 0 CRLF CRLF`, or `0 CRLF CRLF` alone in its send call. The last byte is the highest of `tail`; bytes before
    /// a short send are 0.
    private static func isLastChunk(_ tail: UInt64) -> Bool {
        let five = tail >> 24
        guard five == 0x0a0d_0a0d_30 else { return false }
        let before = (tail >> 8) & 0xffff
        return before == 0x0a0d || before >> 8 == 0
    }
}
