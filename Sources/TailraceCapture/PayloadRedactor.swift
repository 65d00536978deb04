// SPDX-License-Identifier: MIT
import TailraceModel

/// Blanks what a recording has no use for, in place and without changing a length: no payload leaves the process.
public protocol PayloadRedactor {
    /// Bytes that a server read: the beginning of `read`.
    mutating func redactRequest(_ bytes: UnsafeMutableRawBufferPointer, of read: RequestRead)
    /// Bytes that a send call hands over: the beginning of `sent`, or its end.
    mutating func redactResponse(_ bytes: UnsafeMutableRawBufferPointer, of sent: SentHead)
    /// The last bytes that it sent at once, the last one in the highest byte.
    func redactTail(_ tail: UInt64) -> UInt64
    /// Nothing more comes of this connection.
    mutating func forget(socket: UInt64)
}

extension KernelSource {
    /// Puts a record without payload into the place behind it.
    typealias Curtain = (WireRecord, UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Void

    /// What `redactor` blanks is seen by nobody from now on: neither by the decoder nor by recordings.
    public func hide(with redactor: some PayloadRedactor) {
        var redactor = redactor
        curtain = { wire, bytes, place in wire.store(bytes, in: place, &redactor) }
    }
}
