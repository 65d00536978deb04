// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel

/// A record of the wire as far as a recording must know it: how long it is, and where it holds bytes of the payload.
struct WireRecord {
    /// Of the record as it is kept: without the unused room behind its head, which holds what the ring held before.
    private(set) var header: ev_header
    /// Where its head begins; its end is the record's.
    private var headStart: Int?

    /// nil: it is no record, or says that it holds more than it does.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= MemoryLayout<ev_header>.size else { return nil }
        header = bytes.loadUnaligned(as: ev_header.self)
        guard (MemoryLayout<ev_header>.size...bytes.count).contains(Int(header.size)) else { return nil }
        switch UInt32(header.kind) {
        case EV_READ.rawValue:
            guard header.size >= MemoryLayout<ev_read>.size else { return nil }
            guard holdsHead(bytes.loadUnaligned(as: ev_read.self).head_bytes, after: MemoryLayout<ev_read>.size)
            else { return nil }
        case EV_HEAD.rawValue:
            guard header.size >= MemoryLayout<ev_head>.size else { return nil }
            guard holdsHead(bytes.loadUnaligned(as: ev_head.self).head_bytes, after: MemoryLayout<ev_head>.size)
            else { return nil }
        case EV_FLUSH.rawValue:
            guard header.size >= MemoryLayout<ev_flush>.size else { return nil }
        default: break
        }
    }

    private mutating func holdsHead(_ count: UInt32, after start: Int) -> Bool {
        guard Int(count) <= Int(header.size) - start else { return false }
        headStart = start
        header.size = UInt16(start + Int(count))
        return true
    }

    /// Bytes of it that are kept.
    var length: Int { Int(header.size) }

    /// Puts it into `place`, which has its length, without payload.
    func store(
        _ bytes: UnsafeRawBufferPointer, in place: UnsafeMutableRawBufferPointer, _ redactor: inout some PayloadRedactor
    ) {
        place.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<length]))
        place.storeBytes(of: header, as: ev_header.self)
        switch UInt32(header.kind) {
        case EV_READ.rawValue:
            if let head = head(in: place) { redactor.redactRequest(head, of: read(in: place)) }
        case EV_HEAD.rawValue:
            if let head = head(in: place) { redactor.redactResponse(head, of: sent(in: place)) }
        case EV_FLUSH.rawValue:
            let tail = place.loadUnaligned(fromByteOffset: Self.tailOffset, as: UInt64.self)
            place.storeBytes(of: redactor.redactTail(tail), toByteOffset: Self.tailOffset, as: UInt64.self)
        case EV_STATE.rawValue:
            if length >= MemoryLayout<ev_state>.size, place.loadUnaligned(as: ev_state.self).new_state == Self.closed {
                redactor.forget(socket: header.socket)
            }
        default: break
        }
    }

    private func read(in place: UnsafeMutableRawBufferPointer) -> RequestRead {
        let raw = place.loadUnaligned(as: ev_read.self)
        var read = RequestRead()
        read.socket = header.socket
        read.bytes = Int64(raw.bytes)
        read.sequenceEnd = raw.seq_end
        read.isFirst = header.flags & EV_F_FIRST_READ != 0
        return read
    }

    private func sent(in place: UnsafeMutableRawBufferPointer) -> SentHead {
        let raw = place.loadUnaligned(as: ev_head.self)
        var sent = SentHead()
        sent.socket = header.socket
        sent.sequence = raw.seq
        sent.callBytes = Int64(raw.call_bytes & (1 << 48 - 1))
        sent.isEnding = header.flags & EV_F_ENDING != 0
        return sent
    }

    private func head(in place: UnsafeMutableRawBufferPointer) -> UnsafeMutableRawBufferPointer? {
        headStart.flatMap { $0 < place.count ? UnsafeMutableRawBufferPointer(rebasing: place[$0...]) : nil }
    }

    private static let tailOffset = MemoryLayout<ev_flush>.offset(of: \.tail) ?? 0
    /// TCP_CLOSE.
    private static let closed: UInt32 = 7
}
