// SPDX-License-Identifier: MIT
import TailraceModel

/// What an event led to. It lives only while it is told: whoever wants more of it later copies it.
public struct Actions {
    /// The response that ended; or none. For whoever sums up, at its time.
    public let ended: UnsafeBufferPointer<Response>
    /// The response of which all is known that will be known; or none. For whoever shows it. Mostly the one that ended; where
    /// its client has gone and its tasks are counted, some seconds later.
    public let settled: UnsafeBufferPointer<Response>
    private let left: UnsafePointer<Flush>?
    /// The flush that left, if flushes are told.
    public var flush: Flush? { left?.pointee }
    /// When all sockets were looked at.
    public let look: RoundLook?
    /// Of each server, when all its sockets were sampled.
    public var samples: [ServerSample] { look?.samples ?? [] }

    private init(
        ended: UnsafeBufferPointer<Response>? = nil, settled: UnsafeBufferPointer<Response>? = nil,
        left: UnsafePointer<Flush>? = nil, look: RoundLook? = nil
    ) {
        let none = UnsafeBufferPointer<Response>(start: nil, count: 0)
        self.ended = ended ?? none
        self.settled = settled ?? none
        self.left = left
        self.look = look
    }

    /// Tells one ended response in place: it is large.
    @inline(__always)
    static func end(_ response: inout Response, _ tell: (borrowing Actions) -> Void) {
        withUnsafeMutablePointer(to: &response) {
            let one = UnsafeBufferPointer(start: UnsafePointer($0), count: 1)
            tell(Actions(ended: one, settled: one))
        }
    }

    /// The response that ended, for whoever adds to it before it is told on.
    var endedInPlace: UnsafeMutablePointer<Response>? { ended.baseAddress.map { UnsafeMutablePointer(mutating: $0) } }

    /// The flush where it lies, for whoever only counts it.
    var flushInPlace: UnsafePointer<Flush>? { left }

    /// The same, but the response is not settled yet.
    var unsettled: Actions { Actions(ended: ended) }

    /// One that ended before.
    static func settle(_ response: inout Response, _ tell: (borrowing Actions) -> Void) {
        withUnsafePointer(to: &response) { tell(Actions(settled: UnsafeBufferPointer(start: $0, count: 1))) }
    }

    static func look(_ look: RoundLook, _ tell: (borrowing Actions) -> Void) { tell(Actions(look: look)) }

    static func leave(_ flush: Flush, _ tell: (borrowing Actions) -> Void) {
        withUnsafePointer(to: flush) { tell(Actions(left: $0)) }
    }
}
