// SPDX-License-Identifier: MIT
import TailraceModel

/// Blanks in what was read of the payload everything that nobody needs, so that it can be kept: headers, queries, passwords,
/// bodies. In place; no length changes, and what the correlator makes of it stays the same.
///
/// Messages come in pieces. Where one ends in the middle of a head, or of a body, is remembered for its connection, within
/// bounds; what cannot be placed is blanked as a whole.
public struct HeadRedactor {
    var requests: [UInt64: RequestPlace] = [:]
    private var responses: [UInt64: UnfinishedHead] = [:]
    /// Paths are blanked too: of a request its method, version and framing stay.
    let hidesPaths: Bool
    /// Connections of which something is remembered; beyond it all are forgotten.
    static let mostRemembered = 4096

    /// A response's head that came in several pieces.
    private struct UnfinishedHead {
        /// Of its first byte.
        let sequence: UInt32
        /// As they were sent, from there to the end of the newest piece.
        let bytes: [UInt8]
        /// Its end is not among them.
        let goesOn: Bool

        /// What came of it before the piece at `place`; nil: that is no piece of it. What a call could not hand over comes again.
        func before(_ place: UInt32) -> [UInt8]? {
            let count = Int(Int32(bitPattern: place &- sequence))
            guard count > 0, count < bytes.count || goesOn && count == bytes.count else { return nil }
            return Array(bytes[..<count])
        }
    }
    private static let longestHead = PendingHead.longestHead

    /// Nothing is unfinished. `hidingPaths`: they are blanked too.
    public init(hidingPaths hidesPaths: Bool = false) { self.hidesPaths = hidesPaths }

    /// Bytes that a send call hands over: the beginning of `sent`, or its end. A call that took nothing is followed by one with
    /// the same sequence number.
    public mutating func redactResponse(_ bytes: UnsafeMutableRawBufferPointer, of sent: SentHead) {
        let isCut = sent.callBytes > Int64(bytes.count)
        guard !sent.isEnding else {
            let ending = BlankedBytes(bytes)
            if isCut || !ending.blankChunks() { ending.blankLines() }
            return
        }
        let last = responses.isEmpty ? nil : responses.removeValue(forKey: sent.socket)
        var before = last?.before(sent.sequence)
        if before?.last == 0x0a, HeadBytes(bytes).hasPrefix("HTTP/1.") { before = nil }
        let whole = before.map { $0 + Array(bytes) }
        let after = redactCall(bytes, before: before, isCut: isCut)
        guard let kept = after ?? whole else { return }
        if responses.count >= Self.mostRemembered { responses.removeAll(keepingCapacity: true) }
        let end = sent.sequence &+ UInt32(truncatingIfNeeded: bytes.count)
        responses[sent.socket] = UnfinishedHead(
            sequence: end &- UInt32(truncatingIfNeeded: kept.count), bytes: kept, goesOn: after != nil)
    }

    /// The head as far as it was read, if it goes on in the next call.
    private func redactCall(_ bytes: UnsafeMutableRawBufferPointer, before: [UInt8]?, isCut: Bool) -> [UInt8]? {
        guard let before else { return redactResponses(bytes, isCut: isCut) }
        var joined = before + Array(bytes)
        let after = joined.withUnsafeMutableBytes { redactResponses($0, isCut: isCut) }
        bytes.copyBytes(from: joined[before.count...])
        return after
    }

    /// A call may hold several responses, as `PendingHead` finds them.
    private func redactResponses(_ bytes: UnsafeMutableRawBufferPointer, isCut: Bool) -> [UInt8]? {
        var rest = bytes
        while !rest.isEmpty {
            let whole = BlankedBytes(rest)
            switch HTTPHead.response(HeadBytes(rest), isWhole: isCut) {
            case .opaque:
                if isCut { whole.blankAll() } else if !whole.blankChunks() { whole.blankLines() }
                return nil
            case .incomplete:
                let original = Array(rest)
                whole.blankResponseHead()
                return isCut || original.count >= Self.longestHead ? nil : original
            case .http(let head):
                let length = head.length ?? rest.count
                let body = UnsafeMutableRawBufferPointer(rebasing: rest[length...])
                let end = head.isInterim ? 0 : bodyEnd(of: head, in: HeadBytes(body))
                whole[0..<length].blankResponseHead()
                redactBody(BlankedBytes(body)[0..<end], isChunked: head.isChunked)
                rest = UnsafeMutableRawBufferPointer(rebasing: body[end...])
                let magic = HeadBytes(rebasing: HeadBytes(rest).prefix(7))
                guard HeadBytes.magic(isPrefixedBy: magic), head.isInterim || magic.count == 7 else {
                    BlankedBytes(rest).blankAll()
                    return nil
                }
            }
        }
        return nil
    }

    /// How many of these bytes belong to the response with this head.
    private func bodyEnd(of head: ResponseHead, in bytes: HeadBytes) -> Int {
        if head.status != 101, bytes.hasPrefix("HTTP/1.") { return 0 }
        if head.status != 101, head.isChunked, case .ends(let end) = ChunkedBody.walk(bytes) { return end }
        guard !head.isChunked, let length = head.contentLength else { return bytes.count }
        return Int(min(length, Int64(bytes.count)))
    }

    private func redactBody(_ body: BlankedBytes, isChunked: Bool) {
        guard isChunked else { return body.blankAll() }
        if !body.blankChunks() { body.blankLines() }
    }

    /// Keeps of a flush's last bytes what ends a body in chunks.
    public func redactTail(_ tail: UInt64) -> UInt64 {
        var redacted: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 8) {
            let byte = UInt8(truncatingIfNeeded: tail >> UInt64(shift))
            let isKept = byte == 0 || byte == 0x0d || byte == 0x0a || byte == 0x30
            redacted |= UInt64(isKept ? byte : 0x78) << UInt64(shift)
        }
        return redacted
    }

    /// Connections of which something is remembered.
    var remembered: Int { requests.count + responses.count }

    /// Nothing more comes of this connection.
    public mutating func forget(socket: UInt64) {
        if !requests.isEmpty { requests[socket] = nil }
        if !responses.isEmpty { responses[socket] = nil }
    }
}
