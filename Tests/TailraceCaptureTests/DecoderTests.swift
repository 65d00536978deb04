// SPDX-License-Identifier: MIT
import CProbes
import TailraceModel
import Testing

@testable import TailraceCapture

@Suite("The decoder")
struct DecoderTests {
    /// What an event points to is the decoder's: it stays as long as the test.
    private final class Kept {
        var decoder = Decoder(jiffy: 4_000_000, processes: ProcessLookup())
    }
    private let kept = Kept()

    private func decode(_ bytes: [UInt8]) -> KernelEvent? {
        bytes.withUnsafeBytes { kept.decoder.decode($0) }
    }

    /// Little-endian bytes of numbers, as a compiler lays the struct out: written by hand, so that a moved field shows.
    private func bytes(_ fields: [any FixedWidthInteger]) -> [UInt8] {
        fields.flatMap { bytes(of: $0) }
    }

    private func bytes(of field: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: field.littleEndian) { Array($0) }
    }

    @Test("a read, by offsets")
    func read() throws {
        let head = Array("GET / HTTP/1.1\r\n\r\n".utf8)
        let fields: [any FixedWidthInteger] = [
            UInt64(99), UInt64(7), UInt16(2), UInt16(48 + head.count), UInt32(EV_F_FIRST_READ | EV_F_UNACCEPTED),
            UInt64(20), UInt32(18), UInt32(head.count), UInt32(5), UInt32(0),
        ]
        guard case .requestRead(let pointer)? = decode(bytes(fields) + head) else { throw Missing() }
        let read = pointer.pointee
        #expect(read.socket == 7 && read.readable == 20 && read.at == 99)
        #expect(read.bytes == 18 && read.outstanding == 5 && read.isFirst && read.wasUnaccepted)
    }

    @Test("a head, by offsets")
    func head() throws {
        let head = Array("HTTP/1.1 200 OK\r\n\r\n".utf8)
        let fields: [any FixedWidthInteger] = [
            UInt64(99), UInt64(7), UInt16(3), UInt16(40 + head.count), UInt32(0), UInt32(5), UInt32(head.count),
            UInt64(4096),
        ]
        guard case .headSent(let pointer)? = decode(bytes(fields) + head) else { throw Missing() }
        let sent = pointer.pointee
        #expect(sent.socket == 7 && sent.at == 99 && sent.sequence == 5 && sent.callBytes == 4096)
        #expect(sent.head.count == head.count)
    }

    @Test("a sample, by offsets")
    func sample() throws {
        let fields: [any FixedWidthInteger] =
            [UInt64(99), UInt64(7), UInt16(6), UInt16(88), UInt32(0), UInt64(1), UInt64(2)]
            + (3...13).map { UInt32($0) } + [UInt32(0)] as [any FixedWidthInteger]
        guard case .socketSampled(let pointer)? = decode(bytes(fields)) else { throw Missing() }
        let sample = pointer.pointee
        #expect(sample.socket == 7 && sample.at == 99 && sample.oldestUnsent == 1 && sample.blocked == 2)
        #expect(sample.queuedBytes == 3 && sample.unsentBytes == 4 && sample.unackedBytes == 5)
        #expect(sample.sndbufBytes == 6 && sample.peerWindow == 7 && sample.congestionWindow == 8)
        #expect(sample.srttMicroseconds == 9 && sample.retransmits == 10)
        #expect(sample.rwndLimited == 44_000_000 && sample.sndbufLimited == 48_000_000)
        #expect(sample.acknowledged == 13)
        // As the first recordings have it.
        let short = Array(bytes(fields)[..<80])
        guard case .socketSampled(let older)? = decode(short[..<18] + [80, 0] + short[20...]) else { throw Missing() }
        #expect(older.pointee.sndbufLimited == 48_000_000 && older.pointee.acknowledged == nil)
    }

    @Test("a socket and what waits, by offsets")
    func waiting() throws {
        let socket: [any FixedWidthInteger] = [
            UInt64(20), UInt64(30), UInt64(1), UInt32(5), UInt32(77), UInt16(2), UInt16(80), UInt16(999), UInt16(8),
            UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0x61), UInt64(0),
        ]
        let begin: [any FixedWidthInteger] = [UInt64(99), UInt64(7), UInt16(1), UInt16(112), UInt32(0)]
        guard case .socketUsed(let use)? = decode(bytes(begin + socket)) else { throw Missing() }
        #expect(use.connection.established == 20 && use.server.pid == 5 && use.server.comm == "a")
        #expect(use.isHalfClosed && use.netns == 77)
        let waits: [any FixedWidthInteger] = [UInt64(99), UInt64(7), UInt16(8), UInt16(128), UInt32(EV_F_UNACCEPTED)]
        let end: [any FixedWidthInteger] = [UInt64(50), UInt32(40), UInt32(0)]
        guard case .connectionWaits(let waiting)? = decode(bytes(waits + socket + end)) else { throw Missing() }
        #expect(waiting.connection.cookie == 7 && waiting.connection.local.port == 80 && waiting.server?.pid == 5)
        #expect(waiting.since == 50 && waiting.at == 99 && waiting.wait == 49 && waiting.unreadBytes == 40)
        #expect(!waiting.isAccepted && waiting.netns == 77)
    }

    @Test("a flush, by offsets")
    func flush() throws {
        var fields: [any FixedWidthInteger] = [UInt64(900), UInt64(7), UInt16(4), UInt16(168), UInt32(EV_F_LOOPBACK)]
        fields += (1...9).map { UInt64($0 * 100) } as [any FixedWidthInteger]
        fields += (1...16).map { UInt32($0) } as [any FixedWidthInteger]
        fields.append(UInt64(0x0a0d_0a0d_3000_0000))
        guard case .flushLeft(let pointer)? = decode(bytes(fields)) else { throw Missing() }
        let flush = pointer.pointee
        #expect(flush.at == 900 && flush.firstEnter == 100 && flush.enter == 200 && flush.exit == 300)
        #expect(flush.queued == 400 && flush.transmitted == 500 && flush.acked == 600)
        #expect(flush.sendTime == 700 && flush.blockedTime == 800 && flush.driven == 900)
        #expect(flush.sequenceStart == 1 && flush.sequenceEnd == 2 && flush.writes == 3 && flush.bytes == 1)
        #expect(flush.queuedBytes == 4 && flush.unsentBytes == 5 && flush.unackedBytes == 6 && flush.sndbufBytes == 7)
        #expect(flush.srttMicroseconds == 8 && flush.retransmits == 9)
        #expect(
            flush.rwndLimited == 40_000_000 && flush.sndbufLimited == 44_000_000
                && flush.rwndLimitedBefore == 48_000_000)
        #expect(flush.pid == 15 && flush.untoldBytes == 16 && flush.isLoopback && !flush.isMerged)
        #expect(flush.tail == 0x0a0d_0a0d_3000_0000)
    }

    @Test("a state change, by offsets")
    func state() throws {
        let fields: [any FixedWidthInteger] = [
            UInt64(900), UInt64(7), UInt16(5), UInt16(40), UInt32(0), UInt32(1), UInt32(7), UInt32(104), UInt32(33),
        ]
        guard case .stateChanged(let change)? = decode(bytes(fields)) else { throw Missing() }
        #expect(change.old == .established && change.new == .closed && change.error == 104 && change.unackedBytes == 33)
    }

    @Test("anything cut short, of no known kind, or claiming more than it has, is refused and never read past its end")
    func hostile() {
        let head = Array("GET / HTTP/1.1\r\n\r\n".utf8)
        let whole =
            bytes([
                UInt64(99), UInt64(7), UInt16(2), UInt16(48 + head.count), UInt32(0), UInt64(20), UInt32(18),
                UInt32(head.count), UInt32(5), UInt32(0),
            ]) + head
        for length in 0..<whole.count { #expect(decode(Array(whole[..<length])) == nil) }
        var unknown = whole
        unknown[16] = 200
        #expect(decode(unknown) == nil)
        var liar = whole
        liar[36] = 255
        #expect(decode(liar) == nil)
        for index in whole.indices {
            for bit in 0..<8 {
                var flipped = whole
                flipped[index] ^= 1 << bit
                _ = decode(flipped)
            }
        }
    }

    private struct Missing: Error {}
}

@Suite("Targets")
struct TargetTests {
    @Test("settings carry what was asked for")
    func settings() {
        var target = Target()
        target.ports = [80, 8080]
        target.pids = [7]
        target.comms = ["a-name-that-is-longer-than-fifteen"]
        let filters = target.filters
        #expect(filters.port_count == 2 && filters.ports.0 == 80 && filters.ports.1 == 8080)
        #expect(filters.pid_count == 1 && filters.pids.0 == 7)
        let comm = withUnsafeBytes(of: filters.comms) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        #expect(comm == "a-name-that-is-")
    }

    @Test("a process and a cgroup that do not exist are refused with exit code 1")
    func absent() {
        var target = Target()
        target.pids = [.max]
        #expect(throws: CaptureError.self) { try target.check() }
        target.pids = []
        target.cgroups = ["/there/is/none"]
        #expect(throws: CaptureError.self) { try target.check() }
    }
}
