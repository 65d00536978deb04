// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Texts that come again and again (methods, paths, content types) are made once: a text that is known costs no memory.
///
/// Direct-mapped: two texts that share a place take turns. At most `places` texts are held, and as many short ones.
struct TextCache {
    private static let places = 512
    private var texts = ContiguousArray<String?>(repeating: nil, count: places)
    private var shorts = ContiguousArray(
        repeating: Short(key: ShortKey(HeadBytes(start: nil, count: 0))), count: places)

    /// Up to 15 bytes, which a String needs no memory of its own for: what is saved is the making.
    private struct Short {
        let key: ShortKey
        var text = ""
    }

    /// All of up to 15 bytes: two texts that differ have keys that differ.
    private struct ShortKey: Equatable {
        private let first: UInt64
        private let last: UInt64
        private let count: Int

        init(_ bytes: HeadBytes) {
            count = bytes.count
            if count >= 8 {
                first = bytes.loadUnaligned(as: UInt64.self)
                last = bytes.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
            } else if count >= 4 {
                first = UInt64(bytes.loadUnaligned(as: UInt32.self))
                last = UInt64(bytes.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
            } else {
                first = count > 0 ? UInt64(bytes[0]) | UInt64(bytes[count / 2]) << 8 : 0
                last = count > 0 ? UInt64(bytes[count - 1]) : 0
            }
        }

        var place: Int { TextCache.place(first, last, UInt64(count)) }
    }

    /// `bytes` as text; what is not UTF-8 in it is replaced.
    mutating func text(_ bytes: HeadBytes) -> String { bytes.count > 15 ? long(bytes) : short(bytes) }

    private mutating func short(_ bytes: HeadBytes) -> String {
        let key = ShortKey(bytes)
        let place = key.place
        if shorts[place].key != key { shorts[place] = Short(key: key, text: String(decoding: bytes, as: UTF8.self)) }
        return shorts[place].text
    }

    private mutating func long(_ bytes: HeadBytes) -> String {
        let place = TextCache.place(of: bytes)
        if let known = texts[place], known.isEqual(to: bytes) { return known }
        let text = String(decoding: bytes, as: UTF8.self)
        texts[place] = text
        return text
    }

    private static func place(of bytes: HeadBytes) -> Int {
        let first = bytes.loadUnaligned(as: UInt64.self)
        let middle = bytes.loadUnaligned(fromByteOffset: bytes.count / 2 - 4, as: UInt64.self)
        let last = bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt64.self)
        return place(first, middle, last)
    }

    private static func place(_ first: UInt64, _ second: UInt64, _ third: UInt64) -> Int {
        let mixed = (first ^ second &* 0x9e37_79b9_7f4a_7c15 ^ third &* 0xc2b2_ae3d_27d4_eb4f) &* 0xff51_afd7_ed55_8ccd
        return Int(mixed >> 55)
    }
}

extension String {
    fileprivate func isEqual(to bytes: HeadBytes) -> Bool {
        utf8.withContiguousStorageIfAvailable { own in
            guard own.count == bytes.count, let left = own.baseAddress, let right = bytes.baseAddress else {
                return false
            }
            return memcmp(left, right, bytes.count) == 0
        } ?? false
    }
}
