// SPDX-License-Identifier: MIT
import TailraceModel

/// Blanks what the analysis has no use for, so that records can be kept: headers, queries, passwords, bodies. In place; no
/// length changes, and what the analysis makes of them stays the same.
///
/// Heads come in pieces. Where one ends in the middle of a line is remembered for its connection, within bounds; a piece that
/// cannot be placed is blanked as a whole.
public struct HeadRedactor {
    private var requests: [UInt64: RequestRedactor] = [:]
    private var responses: [UInt64: UnfinishedHead] = [:]

    /// A response's head that goes on in the next call.
    private struct UnfinishedHead {
        let sequence: UInt32
        /// Before the piece with that number, and after it; nil: a head begins.
        let before: ResponseHeadRedactor?
        let after: ResponseHeadRedactor?
    }
    /// Connections whose head or body is not complete; beyond it they are forgotten.
    private static let mostUnfinished = 4096
    /// What stands for a blanked byte: no method, no digit, no end of anything.
    static let blank: UInt8 = 0x78

    /// Nothing is unfinished.
    public init() {}

    /// Bytes that a server read: the beginning of `read`.
    public mutating func redactRequest(_ bytes: UnsafeMutableRawBufferPointer, of read: RequestRead) {
        var redactor =
            requests.isEmpty ? RequestRedactor() : requests.removeValue(forKey: read.socket) ?? RequestRedactor()
        guard redactor.redact(bytes, of: read) else { return }
        if requests.count >= Self.mostUnfinished { requests.removeAll(keepingCapacity: true) }
        requests[read.socket] = redactor
    }

    /// Bytes that a send call hands over: the beginning of `sent`, or its end. A call that took nothing is followed by one with
    /// the same sequence number; if the call hands over more than these, the next call's bytes do not follow them.
    public mutating func redactResponse(_ bytes: UnsafeMutableRawBufferPointer, of sent: SentHead) {
        if sent.isEnding { return redactEnding(bytes, of: sent) }
        let last = responses.isEmpty ? nil : responses.removeValue(forKey: sent.socket)
        var before = last.flatMap { $0.sequence == sent.sequence ? $0.before : $0.after }
        if before?.isAtLineStart == true, HeadBytes(bytes).hasPrefix("HTTP/1.") { before = nil }
        let isCut = sent.callBytes > Int64(bytes.count)
        var redactor = before ?? ResponseHeadRedactor()
        var isContinued = before != nil
        var after: ResponseHeadRedactor?
        var rest = bytes
        while !rest.isEmpty {
            let extent = PendingHead.extent(of: HeadBytes(rest), isCut: isCut)
            let own = UnsafeMutableRawBufferPointer(rebasing: rest.prefix(Int(min(Int64(rest.count), extent.length))))
            rest = UnsafeMutableRawBufferPointer(rebasing: rest[own.count...])
            after = redactor.redact(own) && !isCut && rest.isEmpty ? redactor : nil
            if !isContinued { own.restoreEnd(extent) }
            redactor = ResponseHeadRedactor()
            isContinued = false
            if !HeadBytes(rest).hasPrefix("HTTP/1.") { break }
        }
        rest.blank(0..<rest.count)
        if before == nil, after == nil { return }
        if responses.count >= Self.mostUnfinished { responses.removeAll(keepingCapacity: true) }
        responses[sent.socket] = UnfinishedHead(sequence: sent.sequence, before: before, after: after)
    }

    /// Of a call's end, only whether it ends a body in chunks.
    private func redactEnding(_ bytes: UnsafeMutableRawBufferPointer, of sent: SentHead) {
        let endsChunks = PendingHead.endsChunks(HeadBytes(bytes), callBytes: sent.callBytes)
        bytes.blank(0..<bytes.count)
        bytes.restore(endsChunks: endsChunks, from: 0)
    }

    /// Keeps of a flush's last bytes what ends a chunked body.
    public func redactTail(_ tail: UInt64) -> UInt64 {
        var redacted: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 8) {
            let byte = UInt8(truncatingIfNeeded: tail >> UInt64(shift))
            let isKept = byte == 0 || byte == 0x0d || byte == 0x0a || byte == 0x30
            redacted |= UInt64(isKept ? byte : Self.blank) << UInt64(shift)
        }
        return redacted
    }

    /// Connections of which half a head is remembered.
    var unfinished: Int { requests.count + responses.count }

    /// Nothing more comes of this connection.
    public mutating func forget(socket: UInt64) {
        if !requests.isEmpty { requests[socket] = nil }
        if !responses.isEmpty { responses[socket] = nil }
    }
}

extension UnsafeMutableRawBufferPointer {
    func blank(_ range: Range<Int>) {
        guard !range.isEmpty, let base = baseAddress else { return }
        (base + range.lowerBound).initializeMemory(as: UInt8.self, repeating: HeadRedactor.blank, count: range.count)
    }

    /// Puts back what says where the chunks of a response end whose body was blanked: other chunks that end there.
    fileprivate func restoreEnd(_ extent: PendingHead.Extent) {
        guard extent.endsInChunks else { return restore(endsChunks: extent.endsChunks == true, from: extent.bodyStart) }
        let body = UnsafeMutableRawBufferPointer(rebasing: self[extent.bodyStart...])
        guard body.count >= 5 else { return }
        if body.count > 7 {
            body.put("0\r\n", at: 0)
        } else {
            for index in 0..<(body.count - 4) { body[index] = 0x30 }
        }
        body.put("\r\n\r\n", at: body.count - 4)
    }

    /// Ends blanked bytes so that `ChunkedBody.isEnd` says that of them.
    fileprivate func restore(endsChunks: Bool?, from start: Int) {
        let room = count - start
        switch endsChunks {
        case true where room == 6: put("00\r\n\r\n", at: start)
        case true where room > 6: put("\r\n0\r\n\r\n", at: count - 7)
        case true where room == 5: put("0\r\n\r\n", at: start)
        case nil where room > 6: put(":x\r\n\r\n", at: count - 6)
        default: break
        }
    }

    private func put(_ text: StaticString, at index: Int) {
        guard let base = baseAddress else { return }
        (base + index).copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
    }
}
