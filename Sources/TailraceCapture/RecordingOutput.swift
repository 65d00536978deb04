// SPDX-License-Identifier: MIT
import Glibc

/// Where the blocks of a recording go: to a file, or to whoever reads along.
protocol RecordingOutput: AnyObject {
    /// Bytes taken so far.
    var length: UInt64 { get }
    /// Takes a whole block or nothing of it, without waiting for anybody.
    ///
    /// - Parameters:
    ///   - block: the whole of it.
    ///   - isLast: it may use the room that is kept.
    /// - Returns: nil if it is taken.
    func append(_ block: UnsafeRawBufferPointer, isLast: Bool) -> RecordingRefusal?
    /// Nothing more comes; errno if the system only now says that something was not written.
    func close() -> Int32?
}

/// Why a block was not taken.
enum RecordingRefusal: Equatable {
    /// errno.
    case failed(Int32)
    /// The bound is reached.
    case full
}

/// A recording that somebody reads along, block by block.
final class RecordingSink: RecordingOutput {
    private(set) var length: UInt64 = 0
    private let take: (UnsafeRawBufferPointer) -> Bool

    /// `take`: is given a whole block, and says whether it took it.
    init(_ take: @escaping (UnsafeRawBufferPointer) -> Bool) { self.take = take }

    func append(_ block: UnsafeRawBufferPointer, isLast: Bool) -> RecordingRefusal? {
        guard take(block) else { return .failed(EPIPE) }
        length += UInt64(block.count)
        return nil
    }

    func close() -> Int32? { nil }
}
