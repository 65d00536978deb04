// SPDX-License-Identifier: MIT
import TailraceModel

/// What was read of a send call when it was entered, until the flush that carries it is told: the beginning of a response, or
/// what may be the end of one.
struct PendingHead {
    /// What the bytes were taken for.
    enum Beginning {
        case http(KnownHead)
        /// Could still become a head together with the next one's bytes.
        case incomplete
        /// Its bytes could not be read.
        case unread
        case opaque
    }
    let sequence: UInt32
    let at: Nanoseconds
    let beginning: Beginning
    /// Where the head begins in its call: behind interim ones (1xx).
    let offset: Int64
    /// Of a call that is no whole head by itself.
    private(set) var bytes: [UInt8]
    /// The call holds more than was read of it: no more of a head will come.
    private(set) var isCut: Bool
    /// Sequence number behind the call.
    private(set) var callEnd: UInt32
    /// It is the call's end that was read.
    let isEnding: Bool
    /// Whether the call ends with the last chunk of a body; nil: its bytes do not say.
    private(set) var endsChunks: Bool?
    /// In the same call a response ends before it: it begins another one.
    private(set) var isBehindEnd = false

    /// As many bytes of a call's end are read at most: fewer are a whole piece of it.
    private static let longestEnding = 1024
    /// Most bytes of a head that comes in several calls, or as several.
    static let longestHead = 8192
    /// Responses of one call that are told apart.
    private static let callLimit = 64

    /// Where a call ends, and with what.
    struct CallEnd {
        let begin: UInt32
        let end: UInt32
        let at: Nanoseconds
        let endsChunks: Bool?
    }
    var end: CallEnd { CallEnd(begin: sequence, end: callEnd, at: at, endsChunks: endsChunks) }

    /// A call that hands over the rest of one before, which took a part only, ends as that one does; its beginning may be
    /// anywhere in a chunk.
    mutating func goOn(from before: CallEnd) {
        if callEnd == before.end, sequence != before.begin, at != before.at { endsChunks = before.endsChunks }
    }

    /// Servers that answer several requests at once hand over several responses at once.
    static func take(_ sent: SentHead, into heads: inout [PendingHead], _ texts: inout TextCache) {
        if sent.isEnding { return heads.append(PendingHead(ending: sent)) }
        var rest = sent
        for place in 0..<callLimit {
            var (head, length) = read(rest, &texts)
            head.isBehindEnd = place > 0
            heads.append(head)
            guard let length, length < rest.callBytes else { return }
            rest.sequence &+= UInt32(truncatingIfNeeded: length)
            rest.callBytes -= length
            rest.head = HeadBytes(rebasing: rest.head.dropFirst(Int(min(length, 1 << 30))))
            // A few bytes of the next head tell as much as none.
            if rest.head.count < 12, rest.callBytes > Int64(rest.head.count), HeadBytes.magic(isPrefixedBy: rest.head) {
                rest.head = HeadBytes(rebasing: rest.head[..<0])
            }
            guard rest.head.isEmpty || rest.head.hasPrefix("HTTP/1.") else { return }
        }
    }

    /// The head that `sent` begins with, and the length of its response, where its bytes tell.
    private static func read(_ sent: SentHead, _ texts: inout TextCache) -> (PendingHead, length: Int64?) {
        guard !sent.head.isEmpty else { return (PendingHead(sent, beginning: .unread), nil) }
        let isCut = sent.callBytes > Int64(sent.head.count)
        var rest = sent.head
        var found = HTTPHead.response(rest, isWhole: isCut)
        while case .http(let head) = found, head.isInterim, let length = head.length, length < rest.count {
            rest = HeadBytes(rebasing: rest[length...])
            found = HTTPHead.response(rest, isWhole: isCut)
        }
        let offset = Int64(sent.head.count - rest.count)
        switch found {
        case .http(let head):
            let (length, endsChunks) = end(of: head, in: rest, isCut: isCut)
            return (
                PendingHead(sent, beginning: .http(KnownHead(head, &texts)), offset: offset, endsChunks: endsChunks),
                length.map { offset + $0 }
            )
        case .incomplete: return (PendingHead(sent, beginning: .incomplete, offset: offset, bytes: Array(rest)), nil)
        case .opaque:
            let endsChunks = isCut ? nil : ChunkedBody.isEnd(rest, isWhole: true, isCut: false)
            return (
                PendingHead(sent, beginning: .opaque, offset: offset, bytes: Array(rest), endsChunks: endsChunks), nil
            )
        }
    }

    /// Where a response ends whose head `bytes` begin with, and whether that is the end of its chunks.
    private static func end(
        of head: ResponseHead, in bytes: HeadBytes, isCut: Bool
    ) -> (length: Int64?, endsChunks: Bool?) {
        guard let length = head.length, head.status != 101 else { return (nil, nil) }
        let body = HeadBytes(rebasing: bytes[length...])
        // What has no body (HEAD, 204, 304) is followed by the next response.
        if body.hasPrefix("HTTP/1.") { return (Int64(length), nil) }
        guard head.isChunked else { return (head.contentLength.map { Int64(length) + $0 }, nil) }
        guard case .ends(let end) = ChunkedBody.walk(body) else { return (nil, isCut ? nil : false) }
        return (Int64(length + end), isCut ? nil : end == body.count)
    }

    private init(
        _ sent: SentHead, beginning: Beginning, offset: Int64 = 0, bytes: [UInt8] = [], endsChunks: Bool? = nil
    ) {
        sequence = sent.sequence
        at = sent.at
        isCut = sent.callBytes > Int64(sent.head.count)
        callEnd = sent.sequence &+ UInt32(truncatingIfNeeded: sent.callBytes)
        isEnding = sent.isEnding
        self.beginning = beginning
        self.offset = offset
        self.bytes = bytes
        self.endsChunks = endsChunks
    }

    private init(ending sent: SentHead) {
        let isWhole = sent.callBytes == Int64(sent.head.count)
        let isCut = !isWhole && sent.head.count >= Self.longestEnding
        self.init(
            sent, beginning: .opaque, endsChunks: ChunkedBody.isEnd(sent.head, isWhole: isWhole, isCut: isCut))
    }

    /// The next call goes on with the same head. What this one could not hand over is in it again.
    mutating func append(_ next: PendingHead) {
        callEnd = next.callEnd
        guard !bytes.isEmpty, bytes.count < Self.longestHead else { return }
        let taken = Int64(next.sequence &- sequence) - offset
        bytes = bytes.prefix(Int(max(0, taken))) + next.bytes
        isCut = next.isCut
    }

    /// It begins a response of its own, or could: what cannot be read may as well be more of a body.
    var isHTTP: Bool {
        switch beginning {
        case .http: true
        case .incomplete: bytes.count >= 7 || offset > 0
        // Behind an interim head.
        case .opaque, .unread: offset > 0
        }
    }

    /// A head is in it, from begin to end.
    var isWhole: Bool {
        if case .http = beginning { true } else { false }
    }
}

/// A response's head with its texts made: what is left of the bytes when they are gone.
struct KnownHead {
    let status: Int
    let protocolName: ResponseProtocol
    let contentType: String?
    let contentLength: Int64?
    let isChunked: Bool
    let isEventStream: Bool
    let isInterim: Bool
    /// Bytes up to and including the empty line; nil: that was not read.
    let length: Int?

    init(_ head: ResponseHead, _ texts: inout TextCache) {
        status = head.status
        protocolName = head.protocolName
        contentType = head.contentType.map { texts.text($0) }
        contentLength = head.contentLength
        isChunked = head.isChunked
        isEventStream = head.contentType?.equals("text/event-stream") == true
        isInterim = head.isInterim
        length = head.length
    }
}
