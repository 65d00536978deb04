// SPDX-License-Identifier: MIT

/// Blanks what a recording has no use for, in place and without changing a length: no payload leaves the process.
public protocol PayloadRedactor {
    /// Bytes that a server read: a request's beginning, or what follows it.
    mutating func redactRequest(_ bytes: UnsafeMutableRawBufferPointer, socket: UInt64)
    /// Bytes that a send call hands over: a response's beginning, or the next piece of it. `sequence`: of the first; the same
    /// one again replaces what was there. `isCut`: the call hands over more.
    mutating func redactResponse(
        _ bytes: UnsafeMutableRawBufferPointer, socket: UInt64, sequence: UInt32, isCut: Bool)
    /// The last bytes that it sent at once, the last one in the highest byte.
    func redactTail(_ tail: UInt64) -> UInt64
    /// Nothing more comes of this connection.
    mutating func forget(socket: UInt64)
}
