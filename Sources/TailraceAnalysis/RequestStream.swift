// SPDX-License-Identifier: MIT
import TailraceModel

/// Which of the bytes that a server reads belong to which request (RFC 9112 section 6.3).
///
/// It counts positions in the client's stream and not reads: what was read and not told, as most of a large upload, moves
/// nothing.
struct RequestStream {
    /// What the beginning of a read is.
    enum Part {
        /// A request of its own, with its head where that is understood.
        case next(RequestHead?)
        /// More of the newest request.
        case same
        /// Not HTTP/1: changes of direction tell.
        case opaque
    }

    /// What the next byte belongs to.
    private enum Place {
        /// A head whose end has not been read; `partial` has what was.
        case head
        /// Before `end` the body of the newest request, from there on the next request.
        case body(end: Int64)
        /// Nobody can say: a chunked body, or a head that is longer than what is read of it.
        case unknown
    }

    private var place: Place
    private var position: Int64 = 0
    /// That of `position`; nil: nothing was read yet.
    private var sequence: UInt32?
    private var partial: [UInt8] = []
    /// Most bytes of a head that are kept until its end is there.
    private static let longestHead = 2048
    /// What the connection was seen to speak; nil: nothing that is known.
    private(set) var protocolName: ResponseProtocol?

    /// `isAdopted`: the connection was found in the middle.
    init(isAdopted: Bool = false) { place = isAdopted ? .unknown : .body(end: 0) }

    /// At the beginning of a request, on a connection that speaks this.
    init(assuming protocolName: ResponseProtocol) {
        place = .body(end: 0)
        self.protocolName = protocolName
    }

    /// What the connection speaks to its end, whatever its bytes look like.
    private var settledProtocol: ResponseProtocol? { protocolName == .http11 ? nil : protocolName }

    /// What a request with this beginning has to be, nil: that its bytes tell.
    func protocolName(of head: HeadBytes) -> ResponseProtocol? { head.isEmpty ? protocolName : settledProtocol }

    /// The next byte begins a request, or would in a connection that was never seen.
    var isAtBoundary: Bool {
        if case .body(let end) = place { position >= end } else { false }
    }

    /// What `read` begins with, and how many of its bytes that is. `isIdle`: no response is in the making.
    mutating func next(of read: RequestRead, isIdle: Bool) -> (part: Part, bytes: Int64) {
        advance(to: read)
        let (part, bytes) = split(read, isIdle: isIdle)
        position += bytes
        sequence = sequence.map { $0 &+ UInt32(truncatingIfNeeded: bytes) }
        return (part, bytes)
    }

    /// Moves to the read's first byte: what lies between was read and not told.
    private mutating func advance(to read: RequestRead) {
        let start = read.sequenceEnd &- UInt32(truncatingIfNeeded: read.bytes)
        // Two threads that read at once may be told in the other order: a little back is no gap of 4 GB.
        if let sequence, start &- sequence != 0, start &- sequence < .max - 1 << 24 {
            position += Int64(start &- sequence)
            if case .head = place { place = .unknown }
        }
        sequence = start
    }

    private mutating func split(_ read: RequestRead, isIdle: Bool) -> (Part, Int64) {
        if settledProtocol != nil { return (.opaque, read.bytes) }
        switch place {
        case .body(let end) where position < end: return (.same, min(read.bytes, end - position))
        case .body: return begin(read)
        case .head: return continueHead(read)
        case .unknown:
            guard protocolName == .http11 else { return begin(read) }
            switch HTTPHead.request(read.head, isWhole: isCut(read)) {
            case .http where read.isFirst || isIdle: return begin(read)
            case .incomplete where read.isFirst && isIdle: return begin(read)
            default: return (.same, read.bytes)
            }
        }
    }

    /// The kernel side read less of it than there is.
    private func isCut(_ read: RequestRead) -> Bool { read.bytes > Int64(read.head.count) }

    private mutating func begin(_ read: RequestRead) -> (Part, Int64) {
        if read.head.isEmpty, protocolName == .http11 {
            place = .unknown
            return (.next(nil), read.bytes)
        }
        switch HTTPHead.request(read.head, isWhole: isCut(read)) {
        case .http(let head):
            protocolName = .http11
            return (.next(head), follow(read.head, of: read, before: 0))
        case .incomplete:
            place = .head
            partial = Array(read.head)
            return (.next(nil), read.bytes)
        case .http2: protocolName = .http2
        case .tls: protocolName = .tls
        case .opaque where protocolName == .http11:
            // An empty line behind a body is ignored (RFC 9112 section 2.2).
            let empty = read.head.prefix { $0 == 0x0d || $0 == 0x0a }.count
            return empty > 0 ? (.same, Int64(empty)) : (.next(nil), read.bytes)
        case .opaque: break
        }
        return (.opaque, read.bytes)
    }

    private mutating func continueHead(_ read: RequestRead) -> (Part, Int64) {
        let before = partial.count
        partial.append(contentsOf: read.head.prefix(Self.longestHead - min(Self.longestHead, before)))
        let isWhole = isCut(read) || partial.count >= Self.longestHead
        let head = partial
        return head.withUnsafeBytes { head in
            switch HTTPHead.request(head, isWhole: isWhole) {
            case .http:
                protocolName = .http11
                return (.same, follow(head, of: read, before: before))
            case .incomplete: return (.same, read.bytes)
            case .http2: protocolName = .http2
            case .tls: protocolName = .tls
            case .opaque: place = .body(end: position + read.bytes)
            }
            partial = []
            return (.same, read.bytes)
        }
    }

    /// Finds the request's end from its `head`, `before` bytes of which came with earlier reads. Returns how many bytes of
    /// `read` belong to it.
    private mutating func follow(_ head: HeadBytes, of read: RequestRead, before: Int) -> Int64 {
        let extent = HTTPHead.requestExtent(of: head)
        guard let length = extent.length, !extent.isChunked else {
            let canEnd = extent.length == nil && !isCut(read) && head.count < Self.longestHead
            place = canEnd ? .head : .unknown
            partial = canEnd ? Array(head) : []
            return read.bytes
        }
        if !partial.isEmpty { partial = [] }
        let end = position - Int64(before) + Int64(length) + extent.contentLength
        place = .body(end: end)
        return min(read.bytes, end - position)
    }
}
