// SPDX-License-Identifier: MIT
import TailraceModel

@testable import TailraceAnalysis

/// What of a request decides, in words.
struct RequestWords: Equatable {
    var isHTTP = false
    private var words = ""

    init(_ bytes: HeadBytes, _ length: Int) {
        let head = HeadBytes(rebasing: bytes[..<length])
        guard case .http(let request) = HTTPHead.request(head, isWhole: true) else { return }
        isHTTP = true
        let extent = HTTPHead.requestExtent(of: head)
        words =
            String(decoding: request.method, as: UTF8.self) + " " + String(decoding: request.target, as: UTF8.self)
            + " \(request.protocolName) \(extent)"
    }
}

/// What of a response's head decides or is shown, in words.
struct ResponseWords: Equatable {
    private(set) var length: Int?
    private var words = ""

    init(_ bytes: HeadBytes) {
        guard case .http(let head) = HTTPHead.response(bytes) else { return }
        length = head.length
        words =
            "\(head.status) \(head.protocolName) \(head.contentLength ?? -1) \(head.isChunked) "
            + (head.contentType.map { String(decoding: $0, as: UTF8.self) } ?? "-")
    }
}

extension RequestRead {
    init(_ piece: Pieces.Piece, sequenceEnd: UInt32) {
        self.init()
        socket = Hearing.cookie
        bytes = Int64(piece.count)
        self.sequenceEnd = sequenceEnd
    }
}

/// An engine that hears one connection.
final class Hearing {
    static let cookie: UInt64 = 7
    let engine: Engine
    private var now: Int64 = 1000
    private var readSequence: UInt32 = .max - 100
    private var sendSequence: UInt32 = .max - 200
    private var hasRead = false

    init(isWritten: Bool) {
        engine = Engine(isWritten: isWritten)
        let local = Endpoint(ipv4: true, bytes: (0x0100_007f, 0), port: 80)
        let connection = Connection(cookie: Self.cookie, local: local, remote: local, established: 0)
        let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)
        engine.take(.socketUsed(SocketUse(connection: connection, server: server, at: 1)))
    }

    private func read(_ piece: Pieces.Piece) -> RequestRead {
        var read = RequestRead(piece, sequenceEnd: readSequence &+ UInt32(piece.count))
        (read.readable, read.at, read.isFirst) = (now - 100, now, !hasRead)
        return read
    }

    private func call(_ piece: Pieces.Piece) -> SentHead {
        var sent = SentHead()
        (sent.socket, sent.at, sent.sequence) = (Self.cookie, now, sendSequence)
        (sent.callBytes, sent.isEnding) = (Int64(piece.count), piece.kind == .ending)
        return sent
    }

    /// What is told of the piece that is heard next.
    func redact(_ piece: Pieces.Piece, _ bytes: UnsafeMutableRawBufferPointer, _ redactor: inout HeadRedactor) {
        if piece.kind == .read {
            redactor.redactRequest(bytes, of: read(piece))
        } else {
            redactor.redactResponse(bytes, of: call(piece))
        }
    }

    func hear(_ piece: Pieces.Piece, _ told: HeadBytes, tail: UInt64) {
        now += 1000
        if piece.kind == .read {
            var read = read(piece)
            read.head = told
            withUnsafePointer(to: &read) { engine.take(.requestRead($0)) }
            readSequence = read.sequenceEnd
            hasRead = true
            return
        }
        var sent = call(piece)
        sent.head = told
        withUnsafePointer(to: &sent) { engine.take(.headSent($0)) }
        var flush = FlushMarks()
        (flush.socket, flush.at, flush.firstEnter, flush.enter) = (Self.cookie, now, now - 90, now - 90)
        (flush.exit, flush.queued, flush.transmitted, flush.acked) = (now - 80, now - 70, now - 60, now)
        flush.sequenceStart = sendSequence
        sendSequence &+= UInt32(piece.count)
        (flush.sequenceEnd, flush.writes, flush.tail) = (sendSequence, 1, tail)
        (flush.isAfterRead, flush.isHeadTold) = (hasRead, true)
        hasRead = false
        withUnsafePointer(to: &flush) { engine.take(.flushLeft($0)) }
    }

    /// The connection ends. Returns what was wrong.
    func end() -> String? {
        let change = StateChange(
            socket: Self.cookie, at: now, old: .established, new: .closed, error: 0, unackedBytes: 0)
        engine.take(.stateChanged(change))
        engine.end(at: now)
        return engine.wrong
    }
}
