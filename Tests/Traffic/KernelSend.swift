// SPDX-License-Identifier: MIT
import TailraceModel

/// bpf/send.bpf.c and bpf/flush.bpf.h.
extension KernelSocket {
    /// A send call begins with `bytes`; where they cannot be read (sendfile), nothing is known of them.
    package mutating func beginCall(_ bytes: [UInt8], isReadable: Bool, at now: Nanoseconds) {
        announce(at: now)
        guard isFollowed else {
            call = Call(
                at: now, sequence: written, bytes: UInt32(bytes.count), beginsHead: false, tail: nil, isMerged: false)
            return
        }
        if state != .established, unacknowledged != ackedSequence {
            acknowledged(unacknowledged, at: now, isLate: true)
        }
        let beginsHead = wantedHeads > (isReadable ? 0 : 1) || isReadable && bytes.starts(with: "HTTP/1.".utf8)
        if wantedHeads > 0 { wantedHeads -= 1 }
        let isMerged = openSlot(UInt32(bytes.count), beginsHead: beginsHead, at: now)
        if beginsHead { tellHead(bytes, isReadable ? Array(bytes.prefix(1024)) : [], at: now) }
        let tail = isReadable ? tail(of: bytes) : nil
        lastTail = tail ?? 0
        if let tail, tail >> 32 == 0x0a0d_0a0d {
            let mayEnd = (tail >> 24) & 0xff != 0x0a && bytes.count > 5
            if mayEnd, !beginsHead || bytes.count > 1024 {
                tellHead(bytes, Array(bytes.suffix(bytes.count <= 192 ? 192 : 1024)), isEnding: true, at: now)
            }
            wantedHeads = 0
        } else if beginsHead, isReadable, bytes.count < 64, "HTTP/1.".utf8.starts(with: bytes.prefix(7)) {
            // The other lines of a head may come one by one.
            wantedHeads = 16
        }
        tailSequence = tail == nil ? written &- 1 : written &+ UInt32(bytes.count)
        call = Call(
            at: now, sequence: written, bytes: UInt32(bytes.count), beginsHead: beginsHead, tail: tail,
            isMerged: isMerged)
        noteRoom(at: now)
    }

    private mutating func tellHead(_ call: [UInt8], _ bytes: [UInt8], isEnding: Bool = false, at now: Nanoseconds) {
        var head = SentHead()
        head.socket = cookie
        head.at = now
        head.sequence = written
        head.callBytes = Int64(call.count)
        head.isEnding = isEnding
        records.append(.head(head, bytes: bytes))
    }

    /// Of a call that is shorter than eight bytes, the rest of them came before, or with the same end in a call of which it
    /// is the rest.
    private func tail(of bytes: [UInt8]) -> UInt64 {
        let last = bytes.suffix(8)
        let own = last.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) } << UInt64(8 * (8 - last.count))
        guard last.count < 8 else { return own }
        if tailSequence == written &+ UInt32(last.count) { return lastTail }
        return tailSequence == written ? own | lastTail >> UInt64(8 * last.count) : own
    }

    private mutating func openSlot(_ bytes: UInt32, beginsHead: Bool, at now: Nanoseconds) -> Bool {
        let used = next &- first
        let sequence = written
        if used > 0, mustMerge(used, beginsHead: beginsHead) {
            withSlot(next &- 1) { $0.isDone = false }
            return true
        }
        let rwnd = rwndLimited
        withSlot(next) { slot in
            slot = Slot()
            slot.marks.sequenceStart = sequence
            slot.marks.sequenceEnd = sequence &+ bytes
            slot.marks.firstEnter = now
            slot.marks.enter = now
            slot.marks.rwndLimitedBefore = rwnd
        }
        next &+= 1
        return false
    }

    private mutating func mustMerge(_ used: UInt32, beginsHead: Bool) -> Bool {
        if used >= Self.slotCount { return true }
        let outstanding = written &- ackedSequence
        let newest = withSlot(next &- 1) { $0.marks.sequenceEnd &- $0.marks.sequenceStart }
        return !isAfterRead && !beginsHead && used >= Self.slotCount / 2 && newest < outstanding / (Self.slotCount / 2)
    }

    private mutating func noteRoom(at now: Nanoseconds) {
        if isFull { call?.waitingSince = now }
    }

    /// The call in progress copies `bytes` into the send buffer: a turn of its loop.
    package mutating func copy(_ bytes: UInt32, at now: Nanoseconds) {
        guard var call else { return }
        if call.waitingSince != 0 {
            call.blocked += now - call.waitingSince
            call.waitingSince = 0
        }
        written &+= bytes
        self.call = call
        noteRoom(at: now)
    }

    /// What the call in progress has handed over so far.
    package var taken: UInt32 { call.map { written &- $0.sequence } ?? 0 }

    /// The call in progress returns what it took; without a byte: EAGAIN.
    package mutating func endCall(at now: Nanoseconds) {
        guard let call else { return }
        if isFollowed { if taken > 0 { closeFlush(call, at: now) } else { withdraw(call) } }
        self.call = nil
    }

    private mutating func withdraw(_ call: Call) {
        if refusedAt == 0 { refusedAt = call.at }
        if call.beginsHead { wantedHeads += 1 }
        guard call.isMerged else { return next &-= 1 }
        let end = withSlot(next &- 1) { slot -> UInt32 in
            slot.isDone = true
            return slot.marks.sequenceEnd
        }
        if Self.reached(ackedSequence, end) { drain() }
    }

    private mutating func closeFlush(_ call: Call, at now: Nanoseconds) {
        let took = now - call.at
        let (refused, untold, wasAfterRead) = (refusedAt, untoldBytes, isAfterRead)
        let (queued, unsent, unacked, limit) = (queuedBytes, written &- sent, sent &- unacknowledged, sndbuf)
        let (end, taken) = (written, taken)
        let isTransmitted = Self.reached(transmittedSequence, end)
        let marks = (handedOverAt, transmittedAt)
        withSlot(next &- 1) { slot in
            if refused != 0 { slot.marks.blockedTime += call.at - refused }
            slot.marks.exit = now
            slot.marks.sendTime += max(0, took - call.blocked)
            slot.marks.blockedTime += call.blocked
            slot.marks.sequenceEnd = end
            slot.marks.queuedBytes = queued
            slot.marks.unsentBytes = unsent
            slot.marks.unackedBytes = unacked
            slot.marks.sndbufBytes = limit
            slot.marks.writes += 1
            if call.isMerged {
                slot.marks.isMerged = true
                slot.marks.enter = call.at
                slot.lateAck = 0
                slot.marks.queued = 0
                slot.marks.transmitted = 0
            }
            slot.marks.tail = taken < call.bytes ? nil : call.tail
            if wasAfterRead {
                slot.marks.isAfterRead = true
                slot.marks.untoldBytes += untold
            }
            if call.beginsHead { slot.marks.isHeadTold = true }
            if isTransmitted { (slot.marks.queued, slot.marks.transmitted) = marks }
            slot.isDone = true
        }
        if call.isMerged, Int32(bitPattern: unstamped &- (next &- 1)) > 0 { unstamped = next &- 1 }
        if wasAfterRead { untoldBytes = 0 }
        isAfterRead = false
        refusedAt = taken < call.bytes ? now : 0
        if Self.reached(ackedSequence, end) { drain() }
    }

    // bpf/transmit.bpf.c

    /// The device starts with a packet whose payload ends at `end`; TCP handed it to IP at `handedOver`.
    package mutating func transmit(to end: UInt32, handedOver: Nanoseconds, at now: Nanoseconds) {
        if !isFollowed { return sent = Self.reached(end, sent) ? end : sent }
        if state != .established { noteUnseenAcknowledgement(at: now) }
        if Self.reached(end, sent) { sent = end } else { retransmits += 1 }
        guard !Self.reached(transmittedSequence, end) else { return }
        (handedOverAt, transmittedAt, transmittedSequence) = (handedOver, now, end)
        while unstamped != next {
            if Int32(bitPattern: unstamped &- first) >= 0 {
                let isWhole = withSlot(unstamped) { slot -> Bool in
                    guard slot.isDone, Self.reached(end, slot.marks.sequenceEnd) else { return false }
                    if slot.marks.transmitted == 0 {
                        slot.marks.queued = handedOver
                        slot.marks.transmitted = now
                    }
                    return true
                }
                guard isWhole else { return }
            }
            unstamped &+= 1
        }
    }

    private mutating func noteUnseenAcknowledgement(at now: Nanoseconds) {
        let acknowledged = unacknowledged
        var number = first
        while number != next {
            let isDue = withSlot(number) { slot -> Bool in
                guard slot.isDone, Self.reached(acknowledged, slot.marks.sequenceEnd) else { return false }
                if slot.lateAck == 0 { slot.lateAck = now }
                return true
            }
            guard isDue else { return }
            number &+= 1
        }
    }

    // bpf/flush.bpf.h

    /// Acknowledged flushes become records, oldest first; with `givenUpAt`, at the connection's end, the others too.
    mutating func drain(isLate: Bool = false, givenUpAt: Nanoseconds? = nil) {
        while first != next {
            var slot = slots[Int(first % Self.slotCount)]
            let isAcknowledged = slot.isDone && Self.reached(ackedSequence, slot.marks.sequenceEnd)
            guard isAcknowledged || givenUpAt != nil else { return }
            if let givenUpAt, !slot.isDone { close(&slot, at: givenUpAt) }
            if isAcknowledged {
                slot.marks.acked = slot.lateAck != 0 ? slot.lateAck : ackedAt
                slot.marks.isAckLate = slot.lateAck != 0 || isLate
            }
            records.append(.flush(told(slot.marks, at: isAcknowledged ? slot.marks.acked : givenUpAt ?? 0)))
            first &+= 1
        }
    }

    /// Its call has not returned: it is told as far as it has come.
    private mutating func close(_ slot: inout Slot, at now: Nanoseconds) {
        slot.marks.exit = now
        slot.marks.sequenceEnd = written
        if let call {
            slot.marks.writes += taken > 0 ? 1 : 0
            if call.isMerged { slot.marks.isMerged = true }
            slot.marks.blockedTime += call.blocked + (call.waitingSince != 0 ? now - call.waitingSince : 0)
        }
        call = nil
    }

    private func told(_ marks: FlushMarks, at now: Nanoseconds) -> FlushMarks {
        var marks = marks
        if marks.transmitted == 0, Self.reached(transmittedSequence, marks.sequenceEnd) {
            (marks.queued, marks.transmitted) = (handedOverAt, transmittedAt)
        }
        marks.socket = cookie
        marks.at = now
        marks.isLoopback = isLoopback
        marks.srttMicroseconds = 50
        marks.retransmits = retransmits
        marks.rwndLimited = rwndLimited
        marks.pid = server.pid
        return marks
    }

    /// bpf/snapshot.bpf.c: every flush that is still on its way, as it stands.
    package func outstanding(at now: Nanoseconds) -> [FlushMarks] {
        var flushes: [FlushMarks] = []
        var number = first
        while number != next {
            var copy = self
            var slot = slots[Int(number % Self.slotCount)]
            if !slot.isDone { copy.close(&slot, at: now) }
            var marks = copy.told(slot.marks, at: now)
            marks.isOutstanding = true
            flushes.append(marks)
            number &+= 1
        }
        return flushes
    }
}
