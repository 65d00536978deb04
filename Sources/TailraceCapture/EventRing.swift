// SPDX-License-Identifier: MIT
import CLibbpf
import Glibc

/// The consumer's side of a BPF ring buffer (kernel/bpf/ringbuf.c), mapped once.
///
/// libbpf's reader maps the data twice, so that a record that wraps around lies in one piece; here such a record is copied,
/// and a ring of 16 MiB costs 16 MiB of this process's memory.
final class EventRing {
    private let consumer: UnsafeMutableRawPointer
    private let producer: UnsafeMutableRawPointer
    private let data: UnsafeRawPointer
    private let page: Int
    private let size: Int
    /// For the record that wraps around.
    private var whole: [UInt8] = []

    /// Flags in a record's length (include/uapi/linux/bpf.h).
    private static let busy: UInt32 = 1 << 31
    private static let discarded: UInt32 = 1 << 30
    /// Length and page offset, before each record.
    private static let headerBytes = 8

    /// Maps the ring behind `descriptor`, of `size` bytes: a power of two. nil: errno says why.
    init?(descriptor: Int32, size: Int) {
        page = sysconf(Int32(_SC_PAGESIZE))
        self.size = size
        let consumer = mmap(nil, page, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let consumer, consumer != MAP_FAILED else { return nil }
        let producer = mmap(nil, page + size, PROT_READ, MAP_SHARED, descriptor, page)
        guard let producer, producer != MAP_FAILED else {
            munmap(consumer, page)
            return nil
        }
        self.consumer = consumer
        self.producer = producer
        data = UnsafeRawPointer(producer + page)
    }

    deinit {
        munmap(consumer, page)
        munmap(producer, page + size)
    }

    /// Hands over every record that was complete when this began, in the order in which they were reserved. Bounded by the
    /// ring's size: what comes meanwhile is the next drain's.
    ///
    /// - Returns: how many there were.
    func drain(_ take: (UnsafeRawBufferPointer) -> Void) -> Int {
        let end = clibbpf_load_acquire(producer)
        var position = clibbpf_load_acquire(consumer)
        var count = 0
        while position < end {
            let offset = Int(truncatingIfNeeded: position) & (size - 1)
            let header = clibbpf_load_acquire_32(data + offset)
            guard header & Self.busy == 0 else { break }
            let length = Int(header & ~Self.discarded)
            if header & Self.discarded == 0 {
                take(record(at: offset + Self.headerBytes, length: length))
                count += 1
            }
            position += UInt64((length + Self.headerBytes + 7) & ~7)
            clibbpf_store_release(consumer, position)
        }
        return count
    }

    @inline(__always)
    private func record(at offset: Int, length: Int) -> UnsafeRawBufferPointer {
        let offset = offset & (size - 1)
        guard offset + length > size else { return UnsafeRawBufferPointer(start: data + offset, count: length) }
        if whole.count < length { whole = [UInt8](repeating: 0, count: length) }
        let first = size - offset
        return whole.withUnsafeMutableBytes { whole in
            whole.copyMemory(from: UnsafeRawBufferPointer(start: data + offset, count: first))
            whole.baseAddress?.advanced(by: first).copyMemory(from: data, byteCount: length - first)
            return UnsafeRawBufferPointer(rebasing: whole[..<length])
        }
    }
}
