// SPDX-License-Identifier: MIT

/// What the kernel side told: one record of the wire (`bpf/include/events.h`), in this program's words.
public enum KernelEvent {
    case socketUsed(SocketUse)
    case requestRead(RequestRead)
    case flushLeft(FlushMarks)
    case stateChanged(StateChange)
}

/// Bytes that live only while the event is being handled: whoever wants them later copies them.
public typealias HeadBytes = UnsafeRawBufferPointer

/// A traced socket is used by a process for the first time, or by another process than before.
public struct SocketUse {
    public let connection: Connection
    public let server: Server

    /// Both.
    public init(connection: Connection, server: Server) {
        self.connection = connection
        self.server = server
    }
}

/// The server read request bytes.
public struct RequestRead {
    public var socket: UInt64 = 0
    public var established: Nanoseconds = 0
    /// When the first byte of what was read became readable; 0: it came with the handshake, or is not known.
    public var readable: Nanoseconds = 0
    /// When the read call returned.
    public var read: Nanoseconds = 0
    public var bytes: Int64 = 0
    /// Flushes that the peer had not acknowledged yet.
    public var outstanding: UInt32 = 0
    /// No send since the connection began, or since the last read: false. The first read after a send: true.
    public var isFirst = false
    /// At `readable` nobody had accepted the connection.
    public var wasUnaccepted = false
    /// The request's beginning; empty where it could not be read.
    public var head = HeadBytes(start: nil, count: 0)

    /// All zero.
    public init() {}
}

/// A flush with its marks. Times are ns of CLOCK_MONOTONIC, 0 where the mark was not reached or not seen.
public struct FlushMarks {
    public var socket: UInt64 = 0
    /// When the record was made: at the ACK, or when the connection ended.
    public var at: Nanoseconds = 0
    public var firstEnter: Nanoseconds = 0
    public var enter: Nanoseconds = 0
    public var exit: Nanoseconds = 0
    public var queued: Nanoseconds = 0
    public var transmitted: Nanoseconds = 0
    public var acked: Nanoseconds = 0
    /// Time inside its send calls, waits for memory excluded.
    public var sendTime: Int64 = 0
    /// Time that a writer waited for room since the previous flush returned.
    public var blockedTime: Int64 = 0
    public var sequenceStart: UInt32 = 0
    public var sequenceEnd: UInt32 = 0
    public var writes: UInt32 = 0
    public var queuedBytes: UInt32 = 0
    public var unsentBytes: UInt32 = 0
    public var unackedBytes: UInt32 = 0
    public var sndbufBytes: UInt32 = 0
    public var srttMicroseconds: UInt32 = 0
    public var retransmits: UInt32 = 0
    /// The socket's own clocks (`tcp_sock.chrono_stat`), ns, to a jiffy.
    public var rwndLimited: Int64 = 0
    public var rwndLimitedBefore: Int64 = 0
    public var sndbufLimited: Int64 = 0
    public var pid: Int32 = 0
    /// Request bytes that were read before it and that no `RequestRead` told.
    public var untoldBytes: Int64 = 0
    public var isAfterRead = false
    public var isMerged = false
    public var isAckLate = false
    public var isLoopback = false
    public var isPaced = false
    public var isCongestionLimited = false
    public var isDeviceLimited = false
    public var isHeadUnread = false
    /// Its last eight bytes, the last one in the highest byte; nil where they could not be read.
    public var tail: UInt64?
    /// The response's beginning, where this flush carries it.
    public var head = HeadBytes(start: nil, count: 0)

    /// All zero.
    public init() {}

    /// Bytes that the server handed over.
    public var bytes: Int64 { Int64(sequenceEnd &- sequenceStart) }
}

/// The connection changed its TCP state.
public struct StateChange {
    public enum State: UInt32, Sendable {
        case established = 1, finWait1 = 4, finWait2 = 5, timeWait = 6, closed = 7, closeWait = 8, lastAck = 9, closing = 11
    }
    public let socket: UInt64
    public let at: Nanoseconds
    /// nil: a state that ends no response.
    public let old: State?
    public let new: State?
    /// errno of what ended the connection, 0 if none.
    public let error: Int32
    /// Bytes that the peer never acknowledged.
    public let unackedBytes: UInt32

    /// All of it.
    public init(socket: UInt64, at: Nanoseconds, old: State?, new: State?, error: Int32, unackedBytes: UInt32) {
        self.socket = socket
        self.at = at
        self.old = old
        self.new = new
        self.error = error
        self.unackedBytes = unackedBytes
    }
}
