// SPDX-License-Identifier: MIT
import TailraceModel

/// Blanks in heads what `HTTPHead` has no use for, so that they can be kept: headers, queries, passwords, bodies. In place; no
/// length changes, and what `HTTPHead` makes of them stays the same.
///
/// Heads come in pieces. Where one ends in the middle of a line is remembered for its connection, within bounds; a piece that
/// cannot be placed is blanked as a whole.
public struct HeadRedactor {
    private var requests: [UInt64: RequestLineRedactor] = [:]
    private var responses: [UInt64: UnfinishedHead] = [:]

    /// A response's head that goes on in the next call.
    private struct UnfinishedHead {
        let sequence: UInt32
        /// Before the piece with that number, and after it; nil: a head begins.
        let before: ResponseHeadRedactor?
        let after: ResponseHeadRedactor?
    }
    /// Connections whose head is not complete; beyond it they are forgotten.
    private static let mostUnfinished = 4096
    /// What stands for a blanked byte: no method, no digit, no end of anything.
    static let blank: UInt8 = 0x78

    /// Nothing is unfinished.
    public init() {}

    /// Bytes that a server read: a request's beginning, or what follows it.
    public mutating func redactRequest(_ bytes: UnsafeMutableRawBufferPointer, socket: UInt64) {
        var line =
            requests.isEmpty ? RequestLineRedactor() : requests.removeValue(forKey: socket) ?? RequestLineRedactor()
        var rest = bytes
        while true {
            let next = HTTPHead.nextRequest(in: HeadBytes(rest))
            let own = UnsafeMutableRawBufferPointer(rebasing: rest[..<(next ?? rest.count)])
            let isUnfinished = redactOne(own, &line)
            guard let next else {
                // Beyond 512 bytes nothing was read of it: what comes next is no continuation.
                if isUnfinished, bytes.count < 512 { keep(line, of: socket) }
                return
            }
            line = RequestLineRedactor()
            rest = UnsafeMutableRawBufferPointer(rebasing: rest[next...])
        }
    }

    /// One request and what follows it. True: its first line goes on in the next piece.
    private func redactOne(_ bytes: UnsafeMutableRawBufferPointer, _ line: inout RequestLineRedactor) -> Bool {
        let emptyLine = emptyLine(in: HeadBytes(bytes))
        switch line.redact(bytes) {
        case .unfinished: return true
        case .ended(let end): bytes.blank(end..<bytes.count)
        case .opaque(let kept, let lineEnd):
            bytes.blank(kept..<bytes.count)
            if let lineEnd { bytes[lineEnd] = 0x0a }
        }
        if let emptyLine { bytes.keepEmptyLine(at: emptyLine) }
        return false
    }

    /// Where the first LF CR LF begins: `HTTPHead.nextRequest` looks behind it.
    private func emptyLine(in bytes: HeadBytes) -> Int? {
        var start = 0
        while let offset = HeadBytes(rebasing: bytes[start...]).position(of: 0x0a) {
            start += offset + 1
            guard start + 1 < bytes.count else { return nil }
            if bytes[start] == 0x0d, bytes[start + 1] == 0x0a { return start - 1 }
        }
        return nil
    }

    private mutating func keep(_ line: RequestLineRedactor, of socket: UInt64) {
        if requests.count >= Self.mostUnfinished { requests.removeAll(keepingCapacity: true) }
        requests[socket] = line.continued
    }

    /// Bytes that a send call hands over: a response's beginning, or the next piece of it.
    ///
    /// - Parameters:
    ///   - bytes: of the piece.
    ///   - socket: the connection.
    ///   - sequence: number of its first byte; a call that took nothing is followed by one with the same number.
    ///   - isCut: the call hands over more than this, so the next call's bytes do not follow these.
    public mutating func redactResponse(
        _ bytes: UnsafeMutableRawBufferPointer, socket: UInt64, sequence: UInt32, isCut: Bool
    ) {
        let last = responses.isEmpty ? nil : responses.removeValue(forKey: socket)
        var before = last.flatMap { $0.sequence == sequence ? $0.before : $0.after }
        if before?.isAtLineStart == true, HeadBytes(bytes).hasPrefix("HTTP/1.") { before = nil }
        var redactor = before ?? ResponseHeadRedactor()
        let after = redactor.redact(bytes) && !isCut ? redactor : nil
        if before == nil, after == nil { return }
        if responses.count >= Self.mostUnfinished { responses.removeAll(keepingCapacity: true) }
        responses[socket] = UnfinishedHead(sequence: sequence, before: before, after: after)
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
    func keepEmptyLine(at index: Int) {
        self[index] = 0x0a
        self[index + 1] = 0x0d
        self[index + 2] = 0x0a
    }

    func blank(_ range: Range<Int>) {
        guard !range.isEmpty, let base = baseAddress else { return }
        (base + range.lowerBound).initializeMemory(as: UInt8.self, repeating: HeadRedactor.blank, count: range.count)
    }
}
