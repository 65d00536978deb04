// SPDX-License-Identifier: MIT
import TailraceModel

/// The beginning of a send call, read when the call was entered, until the flush that carries it is told.
struct PendingHead {
    /// What the bytes were taken for.
    enum Beginning {
        case http(KnownHead)
        /// Could still become a head together with the next one's bytes.
        case incomplete
        case opaque
    }
    let sequence: UInt32
    let at: Nanoseconds
    let beginning: Beginning
    /// Where the head begins in its call: behind interim ones (1xx).
    let offset: Int64
    /// Of a call that is no whole head by itself.
    let bytes: [UInt8]
    /// The call holds more than was read of it: no more of a head will come.
    let isCut: Bool

    init(_ sent: SentHead, _ texts: inout TextCache) {
        sequence = sent.sequence
        at = sent.at
        isCut = sent.callBytes > Int64(sent.head.count)
        var rest = sent.head
        var found = HTTPHead.response(rest, isWhole: isCut)
        while case .http(let head) = found, head.isInterim, let length = head.length, length < rest.count {
            rest = HeadBytes(rebasing: rest[length...])
            found = HTTPHead.response(rest, isWhole: isCut)
        }
        offset = Int64(sent.head.count - rest.count)
        switch found {
        case .http(let head):
            beginning = .http(KnownHead(head, &texts))
            bytes = []
        case .incomplete:
            beginning = .incomplete
            bytes = Array(rest)
        case .opaque:
            beginning = .opaque
            bytes = Array(rest)
        }
    }

    /// It begins a response of its own, or could.
    var isHTTP: Bool {
        switch beginning {
        case .http: true
        case .incomplete: bytes.count >= 7
        case .opaque: false
        }
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
