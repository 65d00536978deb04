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

    func hasPrefix(_ prefix: StaticString) -> Bool {
        guard let base = baseAddress, count >= prefix.utf8CodeUnitCount else { return false }
        return memcmp(base, prefix.utf8Start, prefix.utf8CodeUnitCount) == 0
    }

    /// ASCII, without regard to case; `name` in lower case.
    func equals(_ name: StaticString) -> Bool {
        guard count == name.utf8CodeUnitCount else { return false }
        for index in 0..<count {
            let byte = self[index]
            let lower = (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
            guard lower == name.utf8Start[index] else { return false }
        }
        return true
    }

    /// Whether `bytes`, fewer than 12, could grow into a status line.
    static func magic(isPrefixedBy bytes: HeadBytes) -> Bool {
        let magic: StaticString = "HTTP/1."
        return (0..<Swift.min(bytes.count, magic.utf8CodeUnitCount)).allSatisfy { bytes[$0] == magic.utf8Start[$0] }
    }
}
