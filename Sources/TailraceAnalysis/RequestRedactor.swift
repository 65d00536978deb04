// SPDX-License-Identifier: MIT
import TailraceModel

/// What the next byte that a server reads on a connection belongs to, where that is not the beginning of a request.
struct RequestPlace {
    enum Kind {
        /// A head, of which this was read.
        case head([UInt8])
        /// A body, of which so many bytes are to come.
        case body(Int64)
        /// A body whose end nobody knows.
        case unknown
    }
    var kind: Kind
    /// Of that byte, in the client's sequence numbers.
    var sequence: UInt32
}

extension HeadRedactor {
    private static let longestRequestHead = 2048

    /// Bytes that a server read: the beginning of `read`.
    public mutating func redactRequest(_ bytes: UnsafeMutableRawBufferPointer, of read: RequestRead) {
        let place = requests.isEmpty ? nil : requests.removeValue(forKey: read.socket)
        let count = max(read.bytes, Int64(bytes.count))
        var rest = RedactedRead(rest: bytes, count: count, isFirst: read.isFirst, hidesPaths: hidesPaths)
        rest.kind = place.flatMap { $0.kind(at: read.sequenceEnd &- UInt32(truncatingIfNeeded: count)) }
        while rest.count > 0, !rest.isDone { rest.step(longestHead: Self.longestRequestHead) }
        guard let kind = rest.kind else { return }
        if requests.count >= Self.mostRemembered { requests.removeAll(keepingCapacity: true) }
        requests[read.socket] = RequestPlace(kind: kind, sequence: read.sequenceEnd)
    }
}

extension RequestPlace {
    /// As it is `sequence` later: what lies between was read and not told. nil: a request begins there.
    fileprivate func kind(at start: UInt32) -> Kind? {
        let gap = start &- sequence
        // Two threads that read at once may be told in the other order.
        guard gap > 0, gap < .max - 1 << 24 else { return kind }
        switch kind {
        case .head, .unknown: return .unknown
        case .body(let left): return Int64(gap) < left ? .body(left - Int64(gap)) : nil
        }
    }
}

/// A read on its way through the redactor, request by request.
private struct RedactedRead {
    /// What is told of its bytes from here on, and how many it has.
    var rest: UnsafeMutableRawBufferPointer
    var count: Int64
    let isFirst: Bool
    let hidesPaths: Bool
    /// nil: a request begins.
    var kind: RequestPlace.Kind?
    var isDone = false

    private var text: HeadBytes { HeadBytes(rest) }
    private var isCut: Bool { count > Int64(rest.count) }

    private mutating func skip(_ bytes: Int64) {
        rest = UnsafeMutableRawBufferPointer(rebasing: rest[Int(min(bytes, Int64(rest.count)))...])
        count -= bytes
    }

    /// Nothing of the rest is anything.
    private mutating func end(_ kind: RequestPlace.Kind?, keeping kept: Int = 0) {
        BlankedBytes(rest)[min(kept, rest.count)..<rest.count].blankLines()
        self.kind = kind
        isDone = true
    }

    mutating func step(longestHead: Int) {
        switch kind {
        case .body(let left):
            let own = min(left, count)
            BlankedBytes(rest)[0..<Int(min(own, Int64(rest.count)))].blankAll()
            skip(own)
            kind = left > own ? .body(left - own) : nil
        case .head(let before): follow(before: before, longestHead)
        case .unknown:
            switch HTTPHead.request(text, isWhole: isCut) {
            case .http: follow(before: [], longestHead)
            case .incomplete where isFirst: follow(before: [], longestHead)
            default: end(.unknown)
            }
        case nil: begin(longestHead)
        }
    }

    private mutating func begin(_ longestHead: Int) {
        switch HTTPHead.request(text, isWhole: isCut) {
        case .http, .incomplete, .http2, .tls: follow(before: [], longestHead)
        case .opaque:
            // Empty lines before a request are ignored (RFC 9112 section 2.2).
            let empty = text.prefix { $0 == 0x0d || $0 == 0x0a }.count
            if empty > 0 { return skip(Int64(empty)) }
            // Half a method, of which no more is told.
            if case .incomplete = HTTPHead.request(text, isWhole: false) {
                BlankedBytes(rest).blankRequestHead(hidingPath: hidesPaths)
                isDone = true
            } else {
                end(nil)
            }
        }
    }

    /// A head, `before` of which came with earlier reads.
    private mutating func follow(before: [UInt8], _ longestHead: Int) {
        guard !before.isEmpty else {
            return take(RedactedHead(rest, isCut: isCut, longestHead, hidesPath: hidesPaths), behind: 0)
        }
        var joined = before + Array(rest)
        let head = joined.withUnsafeMutableBytes {
            RedactedHead($0, isCut: isCut, longestHead, hidesPath: hidesPaths)
        }
        if head.length > before.count { rest.copyBytes(from: joined[before.count..<head.length]) }
        take(head, behind: before.count)
    }

    /// Its first `start` bytes came earlier.
    private mutating func take(_ head: RedactedHead, behind start: Int) {
        switch head.sequel {
        case .head(let original):
            kind = .head(original)
            isDone = true
        case .body(let length):
            skip(Int64(max(0, head.length - start)))
            kind = length > 0 ? .body(length) : nil
        case .unknown:
            skip(Int64(max(0, head.length - start)))
            end(.unknown)
        case .nothing: end(nil, keeping: max(0, head.length - start))
        }
    }
}

/// The beginning of a request, redacted, and what follows it.
private struct RedactedHead {
    enum Sequel {
        /// More of it: this is what was read.
        case head([UInt8])
        /// A body of that length.
        case body(Int64)
        case unknown
        /// It is no head.
        case nothing
    }
    let sequel: Sequel
    /// Bytes of it.
    let length: Int

    init(_ bytes: UnsafeMutableRawBufferPointer, isCut: Bool, _ longestHead: Int, hidesPath: Bool) {
        let isWhole = isCut || bytes.count >= longestHead
        switch HTTPHead.request(HeadBytes(bytes), isWhole: isWhole) {
        case .tls: (sequel, length) = (.nothing, 2)
        case .http2: (sequel, length) = (.nothing, 14)
        case .opaque: (sequel, length) = (.nothing, 0)
        case .incomplete: (sequel, length) = (.head(Array(bytes)), bytes.count)
        case .http:
            let extent = HTTPHead.requestExtent(of: HeadBytes(bytes))
            length = extent.length ?? bytes.count
            if extent.length == nil {
                sequel = isWhole ? .unknown : .head(Array(bytes))
            } else {
                sequel = extent.isChunked ? .unknown : .body(extent.contentLength)
            }
        }
        if case .nothing = sequel { return }
        BlankedBytes(bytes)[0..<length].blankRequestHead(hidingPath: hidesPath)
    }
}
