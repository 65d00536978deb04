// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// Turns records of the wire into `KernelEvent`s. The only place that knows the C structs; allocates nothing per record:
/// what an event points to is the decoder's own, until the next record.
struct Decoder: ~Copyable {
    /// Length of a jiffy in ns: the unit of the socket's own clocks.
    let jiffy: Int64
    /// Finds the names of a process the first time that it is seen.
    var processes: ProcessLookup
    private let read = UnsafeMutablePointer<RequestRead>.allocate(capacity: 1)
    private let sent = UnsafeMutablePointer<SentHead>.allocate(capacity: 1)
    private let flush = UnsafeMutablePointer<FlushMarks>.allocate(capacity: 1)
    private let sample = UnsafeMutablePointer<SocketSample>.allocate(capacity: 1)

    init(jiffy: Int64, processes: ProcessLookup) {
        self.jiffy = jiffy
        self.processes = processes
        read.initialize(to: RequestRead())
        sent.initialize(to: SentHead())
        flush.initialize(to: FlushMarks())
        sample.initialize(to: SocketSample())
    }

    deinit {
        read.deallocate()
        sent.deallocate()
        flush.deallocate()
        sample.deallocate()
    }

    /// nil: the record is too short for its kind, or of a kind that this program does not know.
    mutating func decode(_ record: UnsafeRawBufferPointer) -> KernelEvent? {
        guard record.count >= MemoryLayout<ev_header>.size else { return nil }
        let header = record.loadUnaligned(as: ev_header.self)
        guard Int(header.size) <= record.count else { return nil }
        switch UInt32(header.kind) {
        case EV_SOCKET.rawValue: return socketUsed(record)
        case EV_READ.rawValue: return requestRead(record)
        case EV_HEAD.rawValue: return headSent(record)
        case EV_FLUSH.rawValue: return flushLeft(record)
        case EV_STATE.rawValue: return stateChanged(record)
        case EV_SAMPLE.rawValue: return socketSampled(record)
        case EV_WAITING.rawValue: return connectionWaits(record)
        case EV_ROUND.rawValue: return roundEnded(record)
        default: return nil
        }
    }

    private mutating func socketUsed(_ record: UnsafeRawBufferPointer) -> KernelEvent? {
        guard let socket = load(ev_socket.self, from: record) else { return nil }
        return .socketUsed(
            SocketUse(
                connection: connection(of: socket), server: server(of: socket), at: time(socket.header.at_ns),
                isAdopted: socket.header.flags & EV_F_ADOPTED != 0, isAfterLoss: isAfterLoss(socket.header),
                isHalfClosed: StateChange.State(rawValue: UInt32(socket.state)) == .closeWait, netns: socket.netns))
    }

    private mutating func connectionWaits(_ record: UnsafeRawBufferPointer) -> KernelEvent? {
        guard let raw = load(ev_waiting.self, from: record) else { return nil }
        return .connectionWaits(
            WaitingConnection(
                connection: connection(of: raw.socket), server: raw.socket.pid == 0 ? nil : server(of: raw.socket),
                netns: raw.socket.netns, since: time(raw.since_ns), at: time(raw.socket.header.at_ns),
                unreadBytes: Int64(raw.unread_bytes), isAccepted: raw.socket.header.flags & EV_F_UNACCEPTED == 0))
    }

    private func connection(of socket: ev_socket) -> Connection {
        let isIPv4 = socket.family == 2
        return Connection(
            cookie: socket.header.socket,
            local: Endpoint(ipv4: isIPv4, bytes: words(of: socket.local), port: socket.local_port),
            remote: Endpoint(ipv4: isIPv4, bytes: words(of: socket.remote), port: socket.remote_port),
            established: time(socket.established_ns))
    }

    private mutating func server(of socket: ev_socket) -> Server {
        let comm = withUnsafeBytes(of: socket.comm) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return processes.server(
            pid: Int32(bitPattern: socket.pid), started: time(socket.process_start_ns), comm: comm,
            cgroup: socket.cgroup)
    }

    private func words(of address: some BitwiseCopyable) -> (UInt64, UInt64) {
        withUnsafeBytes(of: address) {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
    }

    private func requestRead(_ record: UnsafeRawBufferPointer) -> KernelEvent? {
        guard let raw = load(ev_read.self, from: record) else { return nil }
        read.pointee.socket = raw.header.socket
        read.pointee.readable = time(raw.readable_ns)
        read.pointee.at = time(raw.header.at_ns)
        read.pointee.bytes = Int64(raw.bytes)
        read.pointee.sequenceEnd = raw.seq_end
        read.pointee.outstanding = raw.outstanding
        read.pointee.isFirst = raw.header.flags & EV_F_FIRST_READ != 0
        read.pointee.wasUnaccepted = raw.header.flags & EV_F_UNACCEPTED != 0
        read.pointee.isAfterLoss = isAfterLoss(raw.header)
        guard let head = head(of: record, after: MemoryLayout<ev_read>.size, count: raw.head_bytes) else { return nil }
        read.pointee.head = head
        return .requestRead(UnsafePointer(read))
    }

    private func headSent(_ record: UnsafeRawBufferPointer) -> KernelEvent? {
        guard let raw = load(ev_head.self, from: record) else { return nil }
        sent.pointee.socket = raw.header.socket
        sent.pointee.at = time(raw.header.at_ns)
        sent.pointee.sequence = raw.seq
        sent.pointee.isEnding = raw.header.flags & EV_F_ENDING != 0
        sent.pointee.callBytes = Int64(raw.call_bytes & (1 << 48 - 1))
        sent.pointee.isAfterLoss = isAfterLoss(raw.header)
        guard let head = head(of: record, after: MemoryLayout<ev_head>.size, count: raw.head_bytes) else { return nil }
        sent.pointee.head = head
        return .headSent(UnsafePointer(sent))
    }

    private func flushLeft(_ record: UnsafeRawBufferPointer) -> KernelEvent? {
        guard let raw = load(ev_flush.self, from: record) else { return nil }
        flush.pointee.socket = raw.header.socket
        flush.pointee.at = time(raw.header.at_ns)
        flush.pointee.firstEnter = time(raw.first_enter_ns)
        flush.pointee.enter = time(raw.enter_ns)
        flush.pointee.exit = time(raw.exit_ns)
        flush.pointee.queued = time(raw.queue_ns)
        flush.pointee.transmitted = time(raw.xmit_ns)
        flush.pointee.driven = time(raw.driver_ns)
        flush.pointee.acked = time(raw.ack_ns)
        flush.pointee.sendTime = time(raw.send_ns)
        flush.pointee.blockedTime = time(raw.blocked_ns)
        flush.pointee.sequenceStart = raw.seq_start
        flush.pointee.sequenceEnd = raw.seq_end
        flush.pointee.writes = raw.writes
        flush.pointee.queuedBytes = raw.queued_bytes
        flush.pointee.unsentBytes = raw.unsent_bytes
        flush.pointee.unackedBytes = raw.unacked_bytes
        flush.pointee.sndbufBytes = raw.sndbuf_bytes
        flush.pointee.srttMicroseconds = raw.srtt_us
        flush.pointee.retransmits = raw.retransmits
        flush.pointee.rwndLimited = Int64(raw.rwnd_limited_jiffies) * jiffy
        flush.pointee.rwndLimitedBefore = Int64(raw.rwnd_before_jiffies) * jiffy
        flush.pointee.sndbufLimited = Int64(raw.sndbuf_limited_jiffies) * jiffy
        flush.pointee.pid = Int32(bitPattern: raw.pid)
        flush.pointee.untoldBytes = Int64(raw.untold_bytes)
        setFlags(of: &flush.pointee, raw.header.flags)
        flush.pointee.tail =
            raw.header.flags & EV_F_TAIL_UNREAD == 0 ? withUnsafeBytes(of: raw.tail) { $0.load(as: UInt64.self) } : nil
        return .flushLeft(UnsafePointer(flush))
    }

    private func setFlags(of flush: inout FlushMarks, _ flags: UInt32) {
        flush.isAfterRead = flags & EV_F_AFTER_READ != 0
        flush.isMerged = flags & EV_F_MERGED != 0
        flush.isAckLate = flags & EV_F_ACK_LATE != 0
        flush.isLoopback = flags & EV_F_LOOPBACK != 0
        flush.isPaced = flags & EV_F_PACED != 0
        flush.isCongestionLimited = flags & EV_F_CWND_LIMITED != 0
        flush.isDeviceLimited = flags & EV_F_DEVICE_LIMITED != 0
        flush.isOutstanding = flags & EV_F_OUTSTANDING != 0
        flush.isAdopted = flags & EV_F_ADOPTED != 0
        flush.isHeadTold = flags & EV_F_HEAD_TOLD != 0
        flush.isAfterLoss = flags & EV_F_LOST_BEFORE != 0
    }

    private func stateChanged(_ record: UnsafeRawBufferPointer) -> KernelEvent? {
        guard let raw = load(ev_state.self, from: record) else { return nil }
        return .stateChanged(
            StateChange(
                socket: raw.header.socket, at: time(raw.header.at_ns),
                old: StateChange.State(rawValue: raw.old_state), new: StateChange.State(rawValue: raw.new_state),
                error: Int32(truncatingIfNeeded: raw.error), unackedBytes: raw.unacked_bytes,
                isAfterLoss: isAfterLoss(raw.header), isHeld: raw.header.flags & EV_F_HELD != 0,
                isLetGo: raw.header.flags & EV_F_LET_GO != 0))
    }

    private func socketSampled(_ record: UnsafeRawBufferPointer) -> KernelEvent? {
        guard let raw = sample(in: record) else { return nil }
        sample.pointee.socket = raw.header.socket
        sample.pointee.at = time(raw.header.at_ns)
        sample.pointee.isAfterLoss = isAfterLoss(raw.header)
        sample.pointee.isHeld = raw.header.flags & EV_F_HELD != 0
        sample.pointee.oldestUnsent = time(raw.oldest_unsent_ns)
        sample.pointee.blocked = time(raw.blocked_ns)
        sample.pointee.queuedBytes = raw.queued_bytes
        sample.pointee.unsentBytes = raw.unsent_bytes
        sample.pointee.unackedBytes = raw.unacked_bytes
        sample.pointee.sndbufBytes = raw.sndbuf_bytes
        sample.pointee.peerWindow = raw.snd_wnd
        sample.pointee.congestionWindow = raw.cwnd
        sample.pointee.srttMicroseconds = raw.srtt_us
        sample.pointee.retransmits = raw.retransmits
        sample.pointee.rwndLimited = Int64(raw.rwnd_limited_jiffies) * jiffy
        sample.pointee.sndbufLimited = Int64(raw.sndbuf_limited_jiffies) * jiffy
        let tellsACK = record.count >= MemoryLayout<ev_sample>.size && raw.header.flags & EV_F_HELD == 0
        sample.pointee.acknowledged = tellsACK ? raw.acked_seq : nil
        return .socketSampled(UnsafePointer(sample))
    }

    /// Older recordings have samples that end before `acked_seq`.
    private func sample(in record: UnsafeRawBufferPointer) -> ev_sample? {
        guard record.count >= Self.shortestSample else { return nil }
        var raw = ev_sample()
        withUnsafeMutableBytes(of: &raw) { $0.copyBytes(from: record.prefix($0.count)) }
        return raw
    }

    private static let shortestSample = MemoryLayout<ev_sample>.offset(of: \.acked_seq) ?? 0

    private func roundEnded(_ record: UnsafeRawBufferPointer) -> KernelEvent? {
        guard let raw = load(ev_round.self, from: record) else { return nil }
        return .roundEnded(
            SamplingRound(
                begin: time(raw.begin_ns), end: time(raw.header.at_ns)))
    }

    private func isAfterLoss(_ header: ev_header) -> Bool { header.flags & EV_F_LOST_BEFORE != 0 }

    /// A time or span that cannot overflow what is made of it, whatever the record says.
    private func time(_ raw: UInt64) -> Nanoseconds { Nanoseconds(raw & (1 << 61 - 1)) }

    private func load<Record: BitwiseCopyable>(_ type: Record.Type, from record: UnsafeRawBufferPointer) -> Record? {
        record.count >= MemoryLayout<Record>.size ? record.loadUnaligned(as: type) : nil
    }

    /// The bytes behind the struct; nil where the record says that it carries more than it does.
    private func head(of record: UnsafeRawBufferPointer, after offset: Int, count: UInt32) -> HeadBytes? {
        let end = offset + Int(count)
        return end <= record.count ? HeadBytes(rebasing: record[offset..<end]) : nil
    }
}
