// SPDX-License-Identifier: MIT
import TailraceModel

/// One traced socket as the programs in bpf/ keep it, with as much of TCP as they look at: what they would tell of a
/// connection is appended to `records`. One writer; what several do to each other is the kernel tests' business.
package struct KernelSocket {
    /// struct flush_slot.
    struct Slot {
        var marks = FlushMarks()
        var isDone = false
        var lateAck: Nanoseconds = 0
    }
    /// EV_FLUSH_SLOTS.
    static let slotCount: UInt32 = 8

    package internal(set) var records: [Record] = []
    package let cookie: UInt64
    package let server: Server
    package let connection: Connection

    // struct tcp_sock
    package internal(set) var written: UInt32
    package internal(set) var sent: UInt32
    package internal(set) var unacknowledged: UInt32
    package internal(set) var state = StateChange.State.established
    /// Each state that it came into, told or not.
    package internal(set) var states: [(new: StateChange.State, at: Nanoseconds)] = []
    package var sndbuf: UInt32 = 1 << 16
    var rwndLimited: Int64 = 0
    var retransmits: UInt32 = 0
    var isLoopback = false

    // struct socket_state
    /// Before tracing began, nobody looks.
    var isFollowed = true
    var isAdopted = false
    var first: UInt32 = 0
    var next: UInt32 = 0
    var unstamped: UInt32 = 0
    var ackedSequence: UInt32
    var ackedAt: Nanoseconds = 0
    var transmittedSequence: UInt32
    var transmittedAt: Nanoseconds = 0
    var handedOverAt: Nanoseconds = 0
    var isAnnounced = false
    var wasUnaccepted = false
    var isAfterRead = false
    var wantedHeads = 0
    var reads = 0
    var untoldBytes: Int64 = 0
    var readableAt: Nanoseconds = 0
    /// The client's sequence number behind what the server has read: copied_seq.
    var readSequence: UInt32
    /// The last eight bytes that were handed over, where they are known, and the sequence number behind them.
    var lastTail: UInt64 = 0
    var tailSequence: UInt32
    var call: Call?
    var refusedAt: Nanoseconds = 0
    var slots = [Slot](repeating: Slot(), count: Int(slotCount))

    /// The send call in progress.
    struct Call {
        let at: Nanoseconds
        let sequence: UInt32
        let bytes: UInt32
        let beginsHead: Bool
        let tail: UInt64?
        let isMerged: Bool
        var blocked: Int64 = 0
        var waitingSince: Nanoseconds = 0
    }

    package init(connection: Connection, server: Server, firstSequence: UInt32, clientSequence: UInt32) {
        cookie = connection.cookie
        self.connection = connection
        self.server = server
        written = firstSequence
        sent = firstSequence
        unacknowledged = firstSequence
        ackedSequence = firstSequence
        transmittedSequence = firstSequence
        tailSequence = firstSequence &- 1
        readSequence = clientSequence
    }

    /// Sequence numbers are compared modulo 2^32.
    static func reached(_ position: UInt32, _ target: UInt32) -> Bool { Int32(bitPattern: position &- target) >= 0 }

    package var queuedBytes: UInt32 { written &- unacknowledged }
    package var isFull: Bool { queuedBytes >= sndbuf }
    package var isCalling: Bool { call != nil }

    mutating func withSlot<R>(_ number: UInt32, _ body: (inout Slot) -> R) -> R {
        body(&slots[Int(number % Self.slotCount)])
    }

    mutating func announce(at now: Nanoseconds) {
        guard !isAnnounced, isFollowed else { return }
        isAnnounced = true
        records.append(.socket(SocketUse(connection: connection, server: server, at: now, isAdopted: isAdopted)))
    }

    /// bpf/adopt.bpf.c: tracing begins with the connection open. What is on its way is a flush of which only the end is seen.
    package mutating func adopt(at now: Nanoseconds) {
        isFollowed = true
        isAdopted = true
        readableAt = 0
        ackedSequence = unacknowledged
        transmittedSequence = sent
        tailSequence = written &- 1
        if written != unacknowledged {
            let (begin, end) = (unacknowledged, written)
            withSlot(0) { slot in
                slot = Slot()
                slot.marks.sequenceStart = begin
                slot.marks.sequenceEnd = end
                slot.marks.firstEnter = now
                slot.marks.enter = now
                slot.marks.exit = now
                slot.marks.isAdopted = true
                slot.isDone = true
            }
            next = 1
        }
        announce(at: now)
    }

    // bpf/acknowledge.bpf.c

    /// A packet of the client, with `payload` or without, that acknowledges up to `ack`.
    package mutating func arrive(ack: UInt32, hasPayload: Bool, isAccepted: Bool, at now: Nanoseconds) {
        // The tracepoint is in tcp_rcv_established().
        let isSeen = state == .established && isFollowed
        if hasPayload, isSeen, readableAt == 0 {
            wasUnaccepted = !isAccepted
            readableAt = now
        }
        guard Self.reached(sent, ack) else { return }
        if Self.reached(ack, unacknowledged) { unacknowledged = ack }
        if isSeen, ack != ackedSequence, Self.reached(ack, ackedSequence) { acknowledged(ack, at: now) }
    }

    mutating func acknowledged(_ sequence: UInt32, at now: Nanoseconds, isLate: Bool = false) {
        ackedAt = now
        ackedSequence = sequence
        if first != next { drain(isLate: isLate) }
    }

    // bpf/request.bpf.c

    /// The server read `bytes`; `isReadable`: where it put them can be found. `isAll`: nothing is left to be read.
    package mutating func read(_ bytes: [UInt8], isReadable: Bool, isAll: Bool, at now: Nanoseconds) {
        announce(at: now)
        readSequence &+= UInt32(bytes.count)
        guard isFollowed else { return }
        if !isAfterRead { reads = 0 }
        if reads < (bytes.count <= 512 ? 64 : 8) {
            reads += 1
            tellRead(bytes, isReadable: isReadable, at: now)
        } else {
            untoldBytes += Int64(bytes.count)
        }
        isAfterRead = true
        wantedHeads = max(2, wantedHeads)
        if isAll {
            readableAt = 0
            wasUnaccepted = false
        }
    }

    private mutating func tellRead(_ bytes: [UInt8], isReadable: Bool, at now: Nanoseconds) {
        var read = RequestRead()
        read.socket = cookie
        read.readable = readableAt
        read.at = now
        read.bytes = Int64(bytes.count)
        read.sequenceEnd = readSequence
        read.outstanding = next &- first
        read.isFirst = !isAfterRead
        read.wasUnaccepted = wasUnaccepted
        // A long read that does not begin like a request is mostly a part of an upload.
        let isRequest = bytes.first.map { (0x41...0x5a).contains($0) } ?? false
        let most = bytes.count > 512 && isRequest && isReadable ? 2048 : 512
        records.append(.read(read, head: isReadable ? Array(bytes.prefix(most)) : []))
    }

    // bpf/socket.bpf.c

    /// The connection changes its state, with an errno of what ended it.
    package mutating func change(to new: StateChange.State, error: Int32 = 0, at now: Nanoseconds) {
        let old = state
        state = new
        states.append((new, now))
        guard isAnnounced, [.closeWait, .finWait1, .finWait2, .closed].contains(new) else { return }
        if new == .finWait2 || (new == .closed && error == 0 && unacknowledged == written) {
            unacknowledged = written
            acknowledged(written, at: now)
        }
        if new == .closed { drain(givenUpAt: now) }
        records.append(
            .state(
                StateChange(
                    socket: cookie, at: now, old: old, new: new, error: error, unackedBytes: written &- unacknowledged))
        )
    }

    /// One look at it, once an interval.
    package mutating func look(at now: Nanoseconds) {
        guard isAnnounced else { return }
        var sample = SocketSample()
        sample.socket = cookie
        sample.at = now
        sample.queuedBytes = queuedBytes
        sample.unsentBytes = written &- sent
        sample.unackedBytes = sent &- unacknowledged
        sample.sndbufBytes = sndbuf
        records.append(.sample(sample))
    }
}
