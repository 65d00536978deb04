// SPDX-License-Identifier: MIT
import CProbes
import Glibc
import SeededRandom
import TailraceModel

@testable import TailraceCapture

/// Records as the ring holds them, of small exchanges on a few connections.
struct WireMaker {
    private var random: SeededGenerator
    private(set) var now: UInt64 = 5_000_000_000
    private var sequences: [UInt64: UInt32] = [:]

    init(seed: UInt64) { random = SeededGenerator(state: seed) }

    private func bytes(_ record: some BitwiseCopyable, _ head: [UInt8] = [], room: Int = 0) -> [UInt8] {
        // Behind a head the ring holds what was there before.
        withUnsafeBytes(of: record) { Array($0) } + head + [UInt8](repeating: 0xee, count: max(0, room - head.count))
    }

    private mutating func header(_ kind: ev_kind, _ socket: UInt64, _ size: Int, flags: UInt32 = 0) -> ev_header {
        now += UInt64.random(in: 1_000...900_000, using: &random)
        return ev_header(
            at_ns: now, socket: socket, kind: UInt16(kind.rawValue), size: UInt16(size), flags: flags)
    }

    mutating func socket(_ cookie: UInt64, pid: UInt32, comm: String) -> [UInt8] {
        var record = ev_socket()
        record.header = header(EV_SOCKET, cookie, MemoryLayout<ev_socket>.size)
        record.established_ns = now - 1000
        record.process_start_ns = 77
        record.cgroup = 9
        record.pid = pid
        record.family = 2
        record.local_port = 8080
        record.remote_port = UInt16(truncatingIfNeeded: 40_000 + cookie)
        withUnsafeMutableBytes(of: &record.comm) { $0.copyBytes(from: comm.utf8.prefix(15)) }
        return bytes(record)
    }

    mutating func read(_ cookie: UInt64, _ text: String) -> [UInt8] {
        let head = Array(text.utf8)
        let room = head.count <= 128 ? 128 : 512
        var record = ev_read()
        record.header = header(EV_READ, cookie, MemoryLayout<ev_read>.size + room, flags: UInt32(EV_F_FIRST_READ))
        record.readable_ns = now - 500
        record.bytes = UInt32(head.count)
        record.head_bytes = UInt32(head.count)
        return bytes(record, head, room: room)
    }

    mutating func head(_ cookie: UInt64, _ text: String, callBytes: Int) -> [UInt8] {
        let head = Array(text.utf8)
        var record = ev_head()
        record.header = header(EV_HEAD, cookie, MemoryLayout<ev_head>.size + 256)
        record.seq = sequences[cookie] ?? 1
        record.head_bytes = UInt32(head.count)
        record.call_bytes = UInt64(callBytes)
        return bytes(record, head, room: 256)
    }

    mutating func flush(_ cookie: UInt64, bytes count: Int, flags: UInt32 = 0) -> [UInt8] {
        let start = sequences[cookie] ?? 1
        sequences[cookie] = start &+ UInt32(count)
        var record = ev_flush()
        record.header = header(EV_FLUSH, cookie, MemoryLayout<ev_flush>.size, flags: flags | UInt32(EV_F_ACKED))
        (record.first_enter_ns, record.enter_ns, record.exit_ns) = (now - 900, now - 900, now - 600)
        (record.queue_ns, record.xmit_ns, record.ack_ns) = (now - 500, now - 400, now)
        record.send_ns = 300
        (record.seq_start, record.seq_end, record.writes) = (start, start &+ UInt32(count), 1)
        (record.sndbuf_bytes, record.srtt_us, record.pid) = (87_040, 30, 42)
        return bytes(record)
    }

    mutating func closed(_ cookie: UInt64) -> [UInt8] {
        var record = ev_state()
        record.header = header(EV_STATE, cookie, MemoryLayout<ev_state>.size)
        (record.old_state, record.new_state) = (1, 7)
        return bytes(record)
    }

    /// A connection with that many requests, each answered by one flush.
    mutating func connection(_ cookie: UInt64, requests: Int) -> [[UInt8]] {
        var records = [socket(cookie, pid: 42, comm: "server")]
        for number in 0..<requests {
            let body = Int.random(in: 0...3000, using: &random)
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \(body)\r\n\r\n"
            records.append(
                read(cookie, "GET /\(cookie)/\(number)?q=secret HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n"))
            records.append(self.head(cookie, head, callBytes: head.utf8.count + body))
            records.append(
                flush(cookie, bytes: head.utf8.count + body, flags: UInt32(EV_F_AFTER_READ | EV_F_HEAD_TOLD)))
        }
        return records + [closed(cookie)]
    }
}

/// Takes nothing out.
struct WholePayload: PayloadRedactor {
    mutating func redactRequest(_ bytes: UnsafeMutableRawBufferPointer, of read: RequestRead) {}
    mutating func redactResponse(_ bytes: UnsafeMutableRawBufferPointer, of sent: SentHead) {}
    func redactTail(_ tail: UInt64) -> UInt64 { tail }
    mutating func forget(socket: UInt64) {}
}

/// What of a record is kept: without the unused room behind its head.
func kept(_ record: [UInt8]) -> [UInt8] {
    record.withUnsafeBytes { bytes in
        var header = bytes.loadUnaligned(as: ev_header.self)
        switch UInt32(header.kind) {
        case EV_READ.rawValue:
            header.size = UInt16(MemoryLayout<ev_read>.size) + UInt16(bytes.loadUnaligned(as: ev_read.self).head_bytes)
        case EV_HEAD.rawValue:
            header.size = UInt16(MemoryLayout<ev_head>.size) + UInt16(bytes.loadUnaligned(as: ev_head.self).head_bytes)
        default: break
        }
        return withUnsafeBytes(of: header) { Array($0) } + record[24..<Int(header.size)]
    }
}

/// A directory that goes with its owner.
final class ScratchDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/tailrace-unit-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CaptureError(.failed, "no scratch directory") }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    deinit {
        for name in listDirectory(path) where name != "." && name != ".." { unlink(path + "/" + name) }
        rmdir(path)
    }

    func file(_ name: String) -> String { path + "/" + name }

    func write(_ bytes: [UInt8], to name: String = "file") -> String {
        let descriptor = open(file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        return file(name)
    }
}

/// All bytes of a file.
func content(of path: String) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: Int(lseek(descriptor, 0, SEEK_END)))
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    return count == bytes.count ? bytes : []
}
