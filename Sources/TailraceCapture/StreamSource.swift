// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Replays a recording while it arrives, block by block: over a socket, from whoever writes it. Never waits but for its
/// beginning; memory is bounded. Used from one thread.
///
///     let source = try StreamSource(descriptor: socket, initial: behindTheHead, isChunked: true, name: "...")
///     while !source.isAtEnd {
///         poll(source.descriptor)             // or a timer
///         try source.drain { event in ... }
///     }
public final class StreamSource: RecordedSource {
    /// Readable when there is something to drain. It stays the caller's, and open for as long as this lives.
    public let descriptor: Int32
    /// Nothing more comes: the recording has ended, or who wrote it has gone (`account.ending`).
    public private(set) var isAtEnd = false
    private let name: String
    private var dechunker: Dechunker?
    private var order = BlockOrder()
    private var replay: RecordingReplay
    private var buffer: StreamBuffer
    /// What is read at most in one drain: who looks at a screen is not kept waiting.
    private static let mostRead = 1 << 20

    /// Waits for the beginning, and reads the description.
    ///
    /// - Parameters:
    ///   - descriptor: that it arrives on; made non-blocking.
    ///   - initial: what was read of it already.
    ///   - isChunked: it comes in HTTP's chunks, whose framing is taken off.
    ///   - name: where it comes from, for who is told why it cannot be read.
    ///   - patience: how long the beginning is waited for, ns.
    /// - Throws: `CaptureError` of kind `unreadable`: what arrives is no recording, or of another version, or nothing arrives.
    public init(
        descriptor: Int32, initial: [UInt8] = [], isChunked: Bool, name: String,
        patience: Nanoseconds = 5_000_000_000
    ) throws(CaptureError) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        var dechunker = isChunked ? Dechunker() : nil
        var order = BlockOrder()
        var buffer = StreamBuffer(initial)
        let deadline = readClock(CLOCK_MONOTONIC) + patience
        while true {
            if let block = try buffer.next(&order, name) {
                replay = try RecordingReplay(name, block)
                break
            }
            let isEnd = try buffer.fill(from: descriptor, &dechunker, name) == .end
            if let block = try buffer.next(&order, name) {
                replay = try RecordingReplay(name, block)
                break
            }
            guard !isEnd else {
                throw CaptureError.unreadable(name, "it ended before it began", "try again")
            }
            let rest = deadline - readClock(CLOCK_MONOTONIC)
            guard rest > 0 else {
                throw CaptureError.unreadable(
                    name, "nothing came for \(patience / 1_000_000) ms", "see that the daemon is at work, and try again"
                )
            }
            var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            poll(&polled, 1, Int32(clamping: rest / 1_000_000 + 1))
        }
        (self.descriptor, self.name, self.dechunker) = (descriptor, name, dechunker)
        (self.order, self.buffer) = (order, buffer)
    }

    /// What the recording says of itself.
    public var description: RecordingDescription { replay.description }
    /// Sees every record that arrives, and every process; what is told of tasks comes among the events.
    public var tap: (any RecordTap)? {
        get { replay.tap }
        set { replay.tap = newValue }
    }
    /// Wall time of what was drained last.
    public var anchor: ClockAnchor { replay.anchor }
    /// Time of what arrived last.
    public var now: Nanoseconds { replay.now }

    /// What arrived so far. A stream that ended without its end was cut: who wrote it has gone.
    public var account: RecordingAccount {
        var account = order.account
        account.records = replay.records
        account.dropped = replay.dropped
        return account
    }

    /// As the recorder counted it last, and what it could not send.
    public func loss() -> Loss {
        var loss = replay.loss()
        loss.unrecorded = order.account.missingRecords
        return loss
    }

    /// The events of the blocks that have arrived whole, without waiting.
    ///
    /// - Throws: `CaptureError` of kind `unreadable` where what arrives is damaged; nothing more comes then.
    @discardableResult
    public func drain(_ handle: @escaping (KernelEvent) -> Void) throws(CaptureError) -> Int {
        guard !isAtEnd else { return 0 }
        var count = 0
        do throws(CaptureError) {
            var read = 0
            repeat {
                count += try takeBlocks(handle)
                if order.account.ending != nil { return end(count, handle) }
                guard read < Self.mostRead else { return count }
                switch try buffer.fill(from: descriptor, &dechunker, name) {
                case .bytes(let more): read += more
                case .nothing: return count
                case .end:
                    count += try takeBlocks(handle)
                    return end(count, handle)
                }
            } while true
        } catch {
            isAtEnd = true
            throw error
        }
    }

    private func takeBlocks(_ handle: (KernelEvent) -> Void) throws(CaptureError) -> Int {
        var count = 0
        while order.account.ending == nil, let block = try buffer.next(&order, name) {
            guard let taken = replay.take(block, missing: order.account.missingRecords, handle) else {
                throw buffer.damage(name)
            }
            count += taken
        }
        return count
    }

    private func end(_ count: Int, _ handle: (KernelEvent) -> Void) -> Int {
        isAtEnd = true
        replay.end(handle)
        if order.account.ending == nil { order.account.ending = .cut(at: buffer.position) }
        return count
    }
}

/// Bytes that arrived and are no whole block yet.
private struct StreamBuffer {
    /// What came of a descriptor.
    enum Arrival: Equatable {
        case bytes(Int)
        /// Not now.
        case nothing
        case end
    }
    /// Of the next block, in bytes of the recording.
    private(set) var position: UInt64 = 0
    private var initial: ArraySlice<UInt8>
    private let room = Room()
    private var start = 0
    private var end = 0

    private final class Room {
        let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: RecordingFormat.longestBlock + 65536, alignment: 16)
        deinit { bytes.deallocate() }
    }

    init(_ initial: [UInt8]) { self.initial = initial[...] }

    /// The next block, if it is there as a whole.
    ///
    /// - Throws: `CaptureError`: what is there is no block, or not the one that follows.
    mutating func next(_ order: inout BlockOrder, _ name: String) throws(CaptureError) -> RecordedBlock? {
        let rest = UnsafeRawBufferPointer(rebasing: room.bytes[start..<end])
        guard rest.count >= RecordingFormat.headerBytes else { return nil }
        guard let header = BlockHeader(rest), header.isPlausible else { throw damage(name) }
        guard rest.count >= Int(header.length) else { return nil }
        guard let block = RecordedBlock(header, rest), order.identity ?? header.identity == header.identity,
            order.place(header, at: position), order.account.missingBlocks == 0
        else { throw damage(name) }
        start += Int(header.length)
        position += UInt64(header.length)
        return block
    }

    /// Why nothing more can be made of it.
    func damage(_ name: String) -> CaptureError {
        CaptureError.unreadable(name, "what arrived at byte \(position) is no block of it", "connect again")
    }

    /// Adds what has arrived, if anything has.
    mutating func fill(
        from descriptor: Int32, _ dechunker: inout Dechunker?, _ name: String
    ) throws(CaptureError) -> Arrival {
        if dechunker?.isAtEnd == true { return .end }
        room.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: room.bytes[start..<end]))
        (start, end) = (0, end - start)
        let free = UnsafeMutableRawBufferPointer(rebasing: room.bytes[end...])
        let count = read(from: descriptor, into: free)
        guard count > 0 else { return count == 0 ? .end : .nothing }
        guard dechunker != nil else {
            end += count
            return .bytes(count)
        }
        guard let body = dechunker?.take(UnsafeMutableRawBufferPointer(rebasing: free[..<count])) else {
            throw CaptureError.unreadable(name, "it does not come in HTTP's chunks", "connect again")
        }
        end += body
        return .bytes(count)
    }

    /// Bytes; 0: its end, or who wrote it has gone; -1: nothing is there now.
    private mutating func read(from descriptor: Int32, into free: UnsafeMutableRawBufferPointer) -> Int {
        if !initial.isEmpty {
            let piece = initial.prefix(free.count)
            free.copyBytes(from: piece)
            initial = initial.dropFirst(piece.count)
            return piece.count
        }
        while true {
            let count = Glibc.read(descriptor, free.baseAddress, free.count)
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK: return -1
            default: return 0
            }
        }
    }
}
