// SPDX-License-Identifier: MIT
import TailraceModel

/// What an event led to. It lives only while it is told: whoever wants more of it later copies it.
public struct Actions {
    /// The response that ended; or none.
    public let ended: UnsafeBufferPointer<Response>
    private let left: UnsafePointer<Flush>?
    /// The flush that left, if flushes are told.
    public var flush: Flush? { left?.pointee }
    /// When all sockets were looked at.
    public let look: RoundLook?
    /// Of each server, when all its sockets were sampled.
    public var samples: [ServerSample] { look?.samples ?? [] }

    /// Tells one ended response in place: it is large.
    @inline(__always)
    static func end(_ response: inout Response, _ tell: (borrowing Actions) -> Void) {
        withUnsafePointer(to: &response) {
            tell(Actions(ended: UnsafeBufferPointer(start: $0, count: 1), left: nil, look: nil))
        }
    }

    static func look(_ look: RoundLook, _ tell: (borrowing Actions) -> Void) {
        tell(Actions(ended: UnsafeBufferPointer(start: nil, count: 0), left: nil, look: look))
    }

    static func leave(_ flush: Flush, _ tell: (borrowing Actions) -> Void) {
        withUnsafePointer(to: flush) {
            tell(Actions(ended: UnsafeBufferPointer(start: nil, count: 0), left: $0, look: nil))
        }
    }
}
