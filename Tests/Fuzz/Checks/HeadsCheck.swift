// SPDX-License-Identifier: MIT
import TailraceModel

@testable import TailraceAnalysis

/// Reads and send calls with any bytes: each by itself, and all of them as a connection, as it was and as a recording keeps it.
enum HeadsCheck {
    static func wrong(with bytes: UnsafeRawBufferPointer) -> String? {
        let pieces = Pieces(bytes).pieces
        for piece in pieces {
            if let wrong = piece.kind == .read ? wrongRequest(piece) : wrongResponse(piece) { return wrong }
        }
        return wrongStream(pieces) ?? wrongConnection(pieces)
    }

    // MARK: One by one

    private static func wrongRequest(_ piece: Pieces.Piece) -> String? {
        GuardedBytes.with(piece.told) { bytes in
            for isWhole in [false, true] {
                guard case .http(let head) = HTTPHead.request(HeadBytes(bytes), isWhole: isWhole) else { continue }
                if head.target.contains(where: { $0 == 0x3f || $0 == 0x23 || $0 == 0x20 || $0 == 0x0a }) {
                    return "a target is more than a path: \(text(head.target))"
                }
                if !isInside(head.target, bytes) || !isInside(head.method, bytes) { return "a head beyond its bytes" }
            }
            let extent = HTTPHead.requestExtent(of: HeadBytes(bytes))
            let length = extent.length ?? bytes.count
            if length > bytes.count || extent.contentLength < 0 { return "an extent of \(extent)" }
            let before = RequestWords(HeadBytes(bytes), length)
            BlankedBytes(bytes)[0..<length].blankRequestHead(hidingPath: false)
            let after = RequestWords(HeadBytes(bytes), length)
            return before == after || !before.isHTTP ? nil : "a request, and blanked: \(before) \(after)"
        }
    }

    private static func wrongResponse(_ piece: Pieces.Piece) -> String? {
        GuardedBytes.with(piece.told) { bytes in
            let before = ResponseWords(HeadBytes(bytes))
            guard let length = before.length else { return nil }
            if length > bytes.count { return "a head of \(length) in \(bytes.count) bytes" }
            BlankedBytes(bytes)[0..<length].blankResponseHead()
            let after = ResponseWords(HeadBytes(bytes))
            return before == after ? nil : "a response, and blanked: \(before) \(after)"
        }
    }

    private static func isInside(_ part: HeadBytes, _ whole: UnsafeMutableRawBufferPointer) -> Bool {
        guard let start = part.baseAddress, let base = whole.baseAddress, !part.isEmpty else { return true }
        return start >= base && start + part.count <= base + whole.count
    }

    private static func text(_ bytes: HeadBytes) -> String { String(decoding: bytes, as: UTF8.self).debugDescription }

    // MARK: As a stream

    /// Every byte of a read belongs to something, and each step takes one at least.
    private static func wrongStream(_ pieces: [Pieces.Piece]) -> String? {
        for isAdopted in [false, true] {
            var stream = RequestStream(isAdopted: isAdopted)
            var sequence: UInt32 = 0
            for piece in pieces where piece.kind == .read {
                sequence &+= UInt32(piece.count)
                let wrong = GuardedBytes.with(piece.told) { bytes -> String? in
                    var rest = RequestRead(piece, sequenceEnd: sequence)
                    rest.head = HeadBytes(bytes)
                    while rest.bytes > 0 {
                        let (_, count) = stream.next(of: rest, isIdle: isAdopted)
                        if count <= 0 || count > rest.bytes { return "a step of \(count) in \(rest.bytes) bytes" }
                        _ = rest.divided(after: count)
                    }
                    return nil
                }
                if let wrong { return wrong }
            }
        }
        return nil
    }

    // MARK: As a connection

    private static func wrongConnection(_ pieces: [Pieces.Piece]) -> String? {
        let (plain, kept) = (Hearing(isWritten: true), Hearing(isWritten: false))
        var redactor = HeadRedactor()
        for piece in pieces {
            GuardedBytes.with(piece.told) { plain.hear(piece, HeadBytes($0), tail: piece.tail) }
            GuardedBytes.with(piece.told) { bytes in
                kept.redact(piece, bytes, &redactor)
                kept.hear(piece, HeadBytes(bytes), tail: redactor.redactTail(piece.tail))
            }
        }
        let sent = pieces.reduce(Int64(0)) { $0 + ($1.kind == .read ? 0 : Int64($1.count)) }
        for (hearing, name) in [(plain, "plain"), (kept, "kept")] {
            if let wrong = hearing.end() { return name + ": " + wrong }
            if hearing.engine.responseBytes != sent {
                return "\(name): \(hearing.engine.responseBytes) of \(sent) bytes are told"
            }
        }
        return nil
    }
}
