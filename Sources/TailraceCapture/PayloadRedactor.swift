// SPDX-License-Identifier: MIT

/// Blanks what a recording has no use for, in place and without changing a length: no payload leaves the process.
public protocol PayloadRedactor {
    /// Bytes at the beginning of what a server read: `count` in all, before `sequenceEnd` in the client's sequence numbers.
    /// `isFirst`: no other read since it sent.
    mutating func redactRead(
        _ bytes: UnsafeMutableRawBufferPointer, socket: UInt64, count: UInt32, sequenceEnd: UInt32, isFirst: Bool)
    /// Bytes at the beginning, or (`isEnding`) at the end, of what a send call hands over: `callBytes` in all, from `sequence`
    /// on; the same number again replaces what was there.
    mutating func redactSent(
        _ bytes: UnsafeMutableRawBufferPointer, socket: UInt64, sequence: UInt32, callBytes: UInt64, isEnding: Bool)
    /// The last bytes of a flush, the last one in the highest byte.
    func redactTail(_ tail: UInt64) -> UInt64
    /// Nothing more comes of this connection.
    mutating func forget(socket: UInt64)
}
