// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Searching and comparing bytes, with the C library's own loops: they take sixteen and more at a time.
extension HeadBytes {
    /// Where `byte` first stands.
    func position(of byte: UInt8) -> Int? {
        guard let base = baseAddress, let found = memchr(base, Int32(byte), count) else { return nil }
        return UnsafeRawPointer(found) - base
    }

    @inline(__always)
    func hasPrefix(_ prefix: StaticString) -> Bool {
        let length = prefix.utf8CodeUnitCount
        guard let base = baseAddress, count >= length else { return false }
        guard length < 8, count >= 8 else { return memcmp(base, prefix.utf8Start, length) == 0 }
        var expected: UInt64 = 0
        for index in 0..<length { expected |= UInt64(prefix.utf8Start[index]) &<< UInt64(8 * index) }
        return base.loadUnaligned(as: UInt64.self) & (1 &<< UInt64(8 * length) &- 1) == expected
    }

    /// Its first `length` bytes, or all.
    @inline(__always)
    func beginning(_ length: Int) -> HeadBytes { HeadBytes(start: baseAddress, count: Swift.min(length, count)) }

    /// ASCII, without regard to case; `name` of lower-case letters and hyphens. Eight bytes at a time: the bit that
    /// tells cases apart is set in all of them (a hyphen has it).
    @inline(__always)
    func equals(_ name: StaticString) -> Bool {
        let count = name.utf8CodeUnitCount
        guard self.count == count, let own = baseAddress else { return false }
        let other = UnsafeRawPointer(name.utf8Start)
        let lower: UInt64 = 0x2020_2020_2020_2020
        var offset = 0
        guard count >= 8 else {
            while offset < count, self[offset] | 0x20 == name.utf8Start[offset] { offset += 1 }
            return offset == count
        }
        while offset < count {
            let at = Swift.min(offset, count - 8)
            let word = own.loadUnaligned(fromByteOffset: at, as: UInt64.self) | lower
            if word != other.loadUnaligned(fromByteOffset: at, as: UInt64.self) { return false }
            offset += 8
        }
        return true
    }

    /// Whether `bytes`, fewer than 12, could grow into a status line.
    static func magic(isPrefixedBy bytes: HeadBytes) -> Bool {
        let magic: StaticString = "HTTP/1."
        return (0..<Swift.min(bytes.count, magic.utf8CodeUnitCount)).allSatisfy { bytes[$0] == magic.utf8Start[$0] }
    }
}
