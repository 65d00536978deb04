// SPDX-License-Identifier: MIT

/// What the kernel side told: one record of the wire (`bpf/include/events.h`), in this program's words; and in its place
/// among them what was told of tasks. What is large is pointed to, and lives only while the event is being handled.
public enum KernelEvent {
    case socketUsed(SocketUse)
    case requestRead(UnsafePointer<RequestRead>)
    case headSent(UnsafePointer<SentHead>)
    case flushLeft(UnsafePointer<FlushMarks>)
    case stateChanged(StateChange)
    case socketSampled(UnsafePointer<SocketSample>)
    case connectionWaits(WaitingConnection)
    case roundEnded(SamplingRound)
    case taskTold(TaskEvent)
}

/// Bytes that live only while the event is being handled: whoever wants them later copies them.
public typealias HeadBytes = UnsafeRawBufferPointer

/// A traced socket is used by a process for the first time, or by another process than before.
public struct SocketUse {
    /// The connection.
    public let connection: Connection
    /// Who uses it.
    public let server: Server
    /// When.
    public let at: Nanoseconds
    /// The connection was open before tracing began: `at` is when it was found.
    public let isAdopted: Bool
    /// Records of the connection were lost since the event before.
    public let isAfterLoss: Bool
    /// The client's FIN had come by then: when is not known.
    public let isHalfClosed: Bool
    /// Inode number of its network namespace.
    public let netns: UInt32

    /// All of it.
    public init(
        connection: Connection, server: Server, at: Nanoseconds, isAdopted: Bool = false, isAfterLoss: Bool = false,
        isHalfClosed: Bool = false, netns: UInt32 = 0
    ) {
        self.connection = connection
        self.server = server
        self.at = at
        self.isAdopted = isAdopted
        self.isAfterLoss = isAfterLoss
        self.isHalfClosed = isHalfClosed
        self.netns = netns
    }
}

/// The server read request bytes.
public struct RequestRead {
    /// The connection's cookie.
    public var socket: UInt64 = 0
    /// When the first byte of what was read became readable; 0: it came with the handshake, or is not known.
    public var readable: Nanoseconds = 0
    /// When the read call returned.
    public var at: Nanoseconds = 0
    /// That this read returned.
    public var bytes: Int64 = 0
    /// One past its last byte in the client's sequence numbers.
    public var sequenceEnd: UInt32 = 0
    /// Flushes that the peer had not acknowledged yet.
    public var outstanding: UInt32 = 0
    /// No send since the connection began, or since the last read: false. The first read after a send: true.
    public var isFirst = false
    /// At `readable` nobody had accepted the connection.
    public var wasUnaccepted = false
    /// The request's beginning; empty where it could not be read.
    public var head = HeadBytes(start: nil, count: 0)
    /// Records of the connection were lost since the event before.
    public var isAfterLoss = false

    /// All zero.
    public init() {}
}

/// A send call began that may carry the beginning or the end of a response. Another one at the same `sequence` replaces it: the call
/// before took nothing.
public struct SentHead {
    /// The connection's cookie.
    public var socket: UInt64 = 0
    /// The call was entered.
    public var at: Nanoseconds = 0
    /// Sequence number of its first byte.
    public var sequence: UInt32 = 0
    /// That the call hands over.
    public var callBytes: Int64 = 0
    /// `head` is the call's end instead, which may be that of a body in chunks.
    public var isEnding = false
    /// Its beginning; empty where it could not be read.
    public var head = HeadBytes(start: nil, count: 0)
    /// Records of the connection were lost since the event before.
    public var isAfterLoss = false

    /// All zero.
    public init() {}
}

/// A flush with its marks. Times are ns of CLOCK_MONOTONIC, 0 where the mark was not reached or not seen.
public struct FlushMarks {
    /// The connection's cookie.
    public var socket: UInt64 = 0
    /// When the record was made: at the ACK, or when the connection ended.
    public var at: Nanoseconds = 0
    /// Its first send call was entered.
    public var firstEnter: Nanoseconds = 0
    /// Its last send call was entered.
    public var enter: Nanoseconds = 0
    /// Its last send call returned.
    public var exit: Nanoseconds = 0
    /// TCP handed its last byte to IP.
    public var queued: Nanoseconds = 0
    /// The device was asked to start with its last byte.
    public var transmitted: Nanoseconds = 0
    /// The driver returned from the packet with its last byte; 0 also where no hook marks that.
    public var driven: Nanoseconds = 0
    /// The peer's ACK of its last byte was processed.
    public var acked: Nanoseconds = 0
    /// Time inside its send calls, waits for memory excluded.
    public var sendTime: Int64 = 0
    /// Time that a writer waited for room since the previous flush returned.
    public var blockedTime: Int64 = 0
    /// Sequence number of its first byte.
    public var sequenceStart: UInt32 = 0
    /// One past its last byte, modulo 2^32.
    public var sequenceEnd: UInt32 = 0
    /// Send calls in it.
    public var writes: UInt32 = 0
    /// `sk_wmem_queued` when its last call returned.
    public var queuedBytes: UInt32 = 0
    /// `write_seq - snd_nxt` when its last call returned.
    public var unsentBytes: UInt32 = 0
    /// `snd_nxt - snd_una` when its last call returned.
    public var unackedBytes: UInt32 = 0
    /// `sk_sndbuf` when its last call returned.
    public var sndbufBytes: UInt32 = 0
    /// Smoothed round trip at its ACK.
    public var srttMicroseconds: UInt32 = 0
    /// Segments that the connection has retransmitted so far.
    public var retransmits: UInt32 = 0
    /// The socket's own clocks (`tcp_sock.chrono_stat`), ns, to a jiffy.
    public var rwndLimited: Int64 = 0
    /// The same when its first call was entered.
    public var rwndLimitedBefore: Int64 = 0
    /// Time so far that the send buffer limited the connection.
    public var sndbufLimited: Int64 = 0
    /// The process that called send.
    public var pid: Int32 = 0
    /// Request bytes that were read before it and that no `RequestRead` told.
    public var untoldBytes: Int64 = 0
    /// The first after the server read request bytes.
    public var isAfterRead = false
    /// Several send calls share the record.
    public var isMerged = false
    /// `acked` is when the ACK was noticed, not when it came.
    public var isAckLate = false
    /// Its device is the loopback device.
    public var isLoopback = false
    /// The device queue paces the socket: queue and qdisc cannot be told apart.
    public var isPaced = false
    /// The congestion window was full when its last call returned.
    public var isCongestionLimited = false
    /// TCP was holding back for the device when its last call returned.
    public var isDeviceLimited = false
    /// It was on its way before tracing began: only its end was seen.
    public var isAdopted = false
    /// A `SentHead` was made for a call in it.
    public var isHeadTold = false
    /// Told by a snapshot while it is on its way; its own event is to come.
    public var isOutstanding = false
    /// Whether it ends with the last chunk of a body; nil: its tail has to tell.
    public var endsChunks: Bool?
    /// Its last eight bytes, the last one in the highest byte; nil where they could not be read.
    public var tail: UInt64?
    /// Records of the connection were lost since the event before.
    public var isAfterLoss = false

    /// All zero.
    public init() {}

    /// Bytes that the server handed over.
    public var bytes: Int64 { Int64(sequenceEnd &- sequenceStart) }
}

/// The connection changed its TCP state.
public struct StateChange {
    /// TCP's states, as include/net/tcp_states.h numbers them.
    public enum State: UInt32, Codable, Sendable {
        case established = 1, finWait1 = 4, finWait2 = 5, timeWait = 6, closed = 7, closeWait = 8, lastAck = 9,
            closing = 11
    }
    /// The connection's cookie.
    public let socket: UInt64
    /// When it changed.
    public let at: Nanoseconds
    /// nil: a state that ends no response.
    public let old: State?
    /// nil: a state that ends no response.
    public let new: State?
    /// errno of what ended the connection, 0 if none.
    public let error: Int32
    /// Bytes that the peer never acknowledged.
    public let unackedBytes: UInt32
    /// Records of the connection were lost since the event before.
    public let isAfterLoss: Bool
    /// It is closed, and a process holds its descriptor still.
    public let isHeld: Bool
    /// It is not closed, but no target any more: until it is announced anew, nothing else is told of it.
    public let isLetGo: Bool

    /// All of it.
    public init(
        socket: UInt64, at: Nanoseconds, old: State?, new: State?, error: Int32, unackedBytes: UInt32,
        isAfterLoss: Bool = false, isHeld: Bool = false, isLetGo: Bool = false
    ) {
        self.socket = socket
        self.at = at
        self.old = old
        self.new = new
        self.error = error
        self.unackedBytes = unackedBytes
        self.isAfterLoss = isAfterLoss
        self.isHeld = isHeld
        self.isLetGo = isLetGo
    }
}

/// One look at a socket, once an interval.
public struct SocketSample: Codable, Sendable {
    /// The connection's cookie.
    public var socket: UInt64 = 0
    /// When.
    public var at: Nanoseconds = 0
    /// Since when its oldest unsent flush has waited, ns; 0: nothing is unsent. Merged flushes count from their last call.
    public var oldestUnsent: Int64 = 0
    /// How long a writer has waited for room, ns; 0: none waits.
    public var blocked: Int64 = 0
    /// `sk_wmem_queued`.
    public var queuedBytes: UInt32 = 0
    /// `write_seq - snd_nxt`.
    public var unsentBytes: UInt32 = 0
    /// `snd_nxt - snd_una`.
    public var unackedBytes: UInt32 = 0
    /// `sk_sndbuf`.
    public var sndbufBytes: UInt32 = 0
    /// The peer's window, bytes.
    public var peerWindow: UInt32 = 0
    /// Segments.
    public var congestionWindow: UInt32 = 0
    /// Smoothed round trip.
    public var srttMicroseconds: UInt32 = 0
    /// Segments that the connection has retransmitted so far.
    public var retransmits: UInt32 = 0
    /// `tcp_sock.chrono_stat`, ns, to a jiffy.
    public var rwndLimited: Int64 = 0
    /// The same for the send buffer.
    public var sndbufLimited: Int64 = 0
    /// `snd_una`: one past the last byte that the peer acknowledged; nil: not told.
    public var acknowledged: UInt32?
    /// Records of the connection were lost since the event before.
    public var isAfterLoss = false
    /// It is closed, and a process holds its descriptor still: nothing else is told of it.
    public var isHeld = false

    /// All zero.
    public init() {}
}

/// Every traced socket was sampled once.
public struct SamplingRound {
    /// No sample of it is older.
    public let begin: Nanoseconds
    /// None is younger.
    public let end: Nanoseconds
    /// None of its samples is missing: a connection that has none is gone.
    public let isComplete: Bool

    /// All of it.
    public init(begin: Nanoseconds, end: Nanoseconds, isComplete: Bool = true) {
        self.begin = begin
        self.end = end
        self.isComplete = isComplete
    }
}
