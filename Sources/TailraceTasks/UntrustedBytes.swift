// SPDX-License-Identifier: MIT

/// Bytes that somebody else wrote. Every read is checked: nil where it reaches beyond them.
struct UntrustedBytes: Sendable {
    private let storage: [UInt8]

    init(_ bytes: [UInt8]) { storage = bytes }

    var count: Int { storage.count }

    /// Whether `length` bytes at `offset` are there; negative ones never are.
    func contains(_ offset: Int, length: Int) -> Bool {
        offset >= 0 && length >= 0 && offset <= count && length <= count - offset
    }

    /// Little-endian.
    @inline(__always)
    func integer<Integer: FixedWidthInteger>(_ type: Integer.Type = Integer.self, at offset: Int) -> Integer? {
        guard contains(offset, length: MemoryLayout<Integer>.size) else { return nil }
        return storage.withUnsafeBytes {
            Integer(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Integer.self))
        }
    }

    /// `length` bytes.
    func bytes(at offset: Int, length: Int) -> ArraySlice<UInt8>? {
        contains(offset, length: length) ? storage[offset..<offset + length] : nil
    }

    /// Up to the next zero, and no more than `longest` bytes; nil where none is near.
    func text(at offset: Int, longest: Int = 1024) -> String? {
        guard contains(offset, length: 1) else { return nil }
        let end = min(count, offset + longest)
        guard let zero = storage[offset..<end].firstIndex(of: 0) else {
            return end - offset == longest ? String(decoding: storage[offset..<end], as: UTF8.self) + "~" : nil
        }
        return String(decoding: storage[offset..<zero], as: UTF8.self)
    }

    /// Whether a text that ends with a zero is exactly `wanted`.
    func isText(_ wanted: [UInt8], at offset: Int) -> Bool {
        guard contains(offset, length: wanted.count + 1) else { return false }
        return storage.withUnsafeBytes { bytes in
            for place in wanted.indices where bytes[offset + place] != wanted[place] { return false }
            return bytes[offset + wanted.count] == 0
        }
    }

    /// Whether a text that ends with a zero has `part` in it.
    func hasText(with part: [UInt8], at offset: Int, longest: Int = 4096) -> Bool {
        guard contains(offset, length: part.count + 1), let first = part.first else { return false }
        return storage.withUnsafeBytes { bytes in
            var place = offset
            let end = min(bytes.count, offset + longest)
            while place < end, bytes[place] != 0 {
                if bytes[place] == first, place + part.count <= end,
                    bytes[place..<place + part.count].elementsEqual(part)
                {
                    return true
                }
                place += 1
            }
            return false
        }
    }

    /// Seven bits a byte, the least first; `offset` moves behind it.
    func variableLength(at offset: inout Int) -> UInt32? {
        var value: UInt32 = 0
        for shift in stride(from: UInt32(0), to: 35, by: 7) {
            guard contains(offset, length: 1) else { return nil }
            let byte = storage[offset]
            offset += 1
            value |= UInt32(byte & 0x7f) &<< shift
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }
}
