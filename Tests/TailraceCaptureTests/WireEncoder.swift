// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel
import Traffic

/// What `Decoder` undoes: records as the ring holds them, of what traffic by chance tells.
enum WireEncoder {
    /// Of the sockets' own clocks: 1 ns.
    static let jiffy: Int64 = 1

    static func bytes(_ record: Record) -> [UInt8] {
        switch record {
        case .socket(let use): socket(use)
        case .read(let read, let head): self.read(read, head)
        case .head(let sent, let head): self.sent(sent, head)
        case .flush(let marks): flush(marks)
        case .state(let change): state(change)
        case .sample(let sample): self.sample(sample)
        case .round(let round): self.round(round)
        }
    }

    private static func header(
        _ kind: ev_kind, _ socket: UInt64, _ at: Nanoseconds, _ size: Int, _ flags: [(Bool, UInt32)]
    ) -> ev_header {
        ev_header(
            at_ns: UInt64(at), socket: socket, kind: UInt16(kind.rawValue), size: UInt16(size),
            flags: flags.reduce(0) { $0 | ($1.0 ? $1.1 : 0) })
    }

    private static func raw(_ record: some BitwiseCopyable) -> [UInt8] { withUnsafeBytes(of: record) { Array($0) } }

    private static func socket(_ use: SocketUse) -> [UInt8] {
        var raw = ev_socket()
        raw.header = header(
            EV_SOCKET, use.connection.cookie, use.at, MemoryLayout<ev_socket>.size,
            [(use.isAdopted, UInt32(EV_F_ADOPTED)), (use.isAfterLoss, UInt32(EV_F_LOST_BEFORE))])
        raw.established_ns = UInt64(use.connection.established)
        raw.process_start_ns = UInt64(use.server.started)
        raw.pid = UInt32(use.server.pid)
        raw.family = 2
        raw.local_port = use.connection.local.port
        raw.remote_port = UInt16(truncatingIfNeeded: 1000 + use.connection.cookie)
        withUnsafeMutableBytes(of: &raw.comm) { $0.copyBytes(from: use.server.comm.utf8.prefix(15)) }
        return self.raw(raw)
    }

    private static func read(_ read: RequestRead, _ head: [UInt8]) -> [UInt8] {
        var raw = ev_read()
        raw.header = header(
            EV_READ, read.socket, read.at, MemoryLayout<ev_read>.size + head.count,
            [
                (read.isFirst, UInt32(EV_F_FIRST_READ)), (read.wasUnaccepted, UInt32(EV_F_UNACCEPTED)),
                (read.isAfterLoss, UInt32(EV_F_LOST_BEFORE)),
            ])
        raw.readable_ns = UInt64(read.readable)
        (raw.bytes, raw.head_bytes) = (UInt32(read.bytes), UInt32(head.count))
        (raw.outstanding, raw.seq_end) = (read.outstanding, read.sequenceEnd)
        return self.raw(raw) + head
    }

    private static func sent(_ sent: SentHead, _ head: [UInt8]) -> [UInt8] {
        var raw = ev_head()
        raw.header = header(
            EV_HEAD, sent.socket, sent.at, MemoryLayout<ev_head>.size + head.count,
            [(sent.isEnding, UInt32(EV_F_ENDING)), (sent.isAfterLoss, UInt32(EV_F_LOST_BEFORE))])
        (raw.seq, raw.head_bytes, raw.call_bytes) = (sent.sequence, UInt32(head.count), UInt64(sent.callBytes))
        return self.raw(raw) + head
    }

    private static func flush(_ marks: FlushMarks) -> [UInt8] {
        var raw = ev_flush()
        raw.header = header(
            EV_FLUSH, marks.socket, marks.at, MemoryLayout<ev_flush>.size,
            [
                (marks.acked != 0, UInt32(EV_F_ACKED)), (marks.isAfterRead, UInt32(EV_F_AFTER_READ)),
                (marks.isMerged, UInt32(EV_F_MERGED)), (marks.isAckLate, UInt32(EV_F_ACK_LATE)),
                (marks.isLoopback, UInt32(EV_F_LOOPBACK)), (marks.isPaced, UInt32(EV_F_PACED)),
                (marks.isCongestionLimited, UInt32(EV_F_CWND_LIMITED)),
                (marks.isDeviceLimited, UInt32(EV_F_DEVICE_LIMITED)),
                (marks.isOutstanding, UInt32(EV_F_OUTSTANDING)), (marks.isAdopted, UInt32(EV_F_ADOPTED)),
                (marks.isHeadTold, UInt32(EV_F_HEAD_TOLD)), (marks.isAfterLoss, UInt32(EV_F_LOST_BEFORE)),
                (marks.tail == nil, UInt32(EV_F_TAIL_UNREAD)),
            ])
        (raw.first_enter_ns, raw.enter_ns) = (UInt64(marks.firstEnter), UInt64(marks.enter))
        (raw.exit_ns, raw.queue_ns) = (UInt64(marks.exit), UInt64(marks.queued))
        (raw.xmit_ns, raw.driver_ns) = (UInt64(marks.transmitted), UInt64(marks.driven))
        (raw.ack_ns, raw.send_ns, raw.blocked_ns) = (
            UInt64(marks.acked), UInt64(marks.sendTime), UInt64(marks.blockedTime)
        )
        (raw.seq_start, raw.seq_end, raw.writes) = (marks.sequenceStart, marks.sequenceEnd, marks.writes)
        (raw.queued_bytes, raw.unsent_bytes) = (marks.queuedBytes, marks.unsentBytes)
        (raw.unacked_bytes, raw.sndbuf_bytes) = (marks.unackedBytes, marks.sndbufBytes)
        (raw.srtt_us, raw.retransmits, raw.pid) = (marks.srttMicroseconds, marks.retransmits, UInt32(marks.pid))
        raw.rwnd_limited_jiffies = UInt32(truncatingIfNeeded: marks.rwndLimited)
        raw.rwnd_before_jiffies = UInt32(truncatingIfNeeded: marks.rwndLimitedBefore)
        raw.sndbuf_limited_jiffies = UInt32(truncatingIfNeeded: marks.sndbufLimited)
        raw.untold_bytes = UInt32(truncatingIfNeeded: marks.untoldBytes)
        withUnsafeMutableBytes(of: &raw.tail) { $0.storeBytes(of: marks.tail ?? 0, as: UInt64.self) }
        return self.raw(raw)
    }

    private static func state(_ change: StateChange) -> [UInt8] {
        var raw = ev_state()
        raw.header = header(
            EV_STATE, change.socket, change.at, MemoryLayout<ev_state>.size,
            [(change.isAfterLoss, UInt32(EV_F_LOST_BEFORE)), (change.isHeld, UInt32(EV_F_HELD))])
        (raw.old_state, raw.new_state) = (change.old?.rawValue ?? 0, change.new?.rawValue ?? 0)
        (raw.error, raw.unacked_bytes) = (UInt32(bitPattern: change.error), change.unackedBytes)
        return self.raw(raw)
    }

    private static func sample(_ sample: SocketSample) -> [UInt8] {
        var raw = ev_sample()
        raw.header = header(
            EV_SAMPLE, sample.socket, sample.at, MemoryLayout<ev_sample>.size,
            [(sample.isAfterLoss, UInt32(EV_F_LOST_BEFORE)), (sample.isHeld, UInt32(EV_F_HELD))])
        (raw.oldest_unsent_ns, raw.blocked_ns) = (UInt64(sample.oldestUnsent), UInt64(sample.blocked))
        (raw.queued_bytes, raw.unsent_bytes) = (sample.queuedBytes, sample.unsentBytes)
        (raw.unacked_bytes, raw.sndbuf_bytes) = (sample.unackedBytes, sample.sndbufBytes)
        (raw.snd_wnd, raw.cwnd) = (sample.peerWindow, sample.congestionWindow)
        (raw.srtt_us, raw.retransmits) = (sample.srttMicroseconds, sample.retransmits)
        raw.rwnd_limited_jiffies = UInt32(truncatingIfNeeded: sample.rwndLimited)
        raw.sndbuf_limited_jiffies = UInt32(truncatingIfNeeded: sample.sndbufLimited)
        raw.acked_seq = sample.acknowledged ?? 0
        return self.raw(raw)
    }

    private static func round(_ round: SamplingRound) -> [UInt8] {
        var raw = ev_round()
        raw.header = header(EV_ROUND, 0, round.end, MemoryLayout<ev_round>.size, [])
        raw.begin_ns = UInt64(round.begin)
        return self.raw(raw)
    }
}
