// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Texts that come again and again (paths, content types) are made once: a text that is known costs no memory.
///
/// Direct-mapped: two texts that share a place take turns. At most `places` texts are held.
struct TextCache {
    private static let places = 512
    private var texts = ContiguousArray<String?>(repeating: nil, count: places)

    /// `bytes` as text; what is not UTF-8 in it is replaced.
    mutating func text(_ bytes: HeadBytes) -> String {
        // Up to 15 bytes a String needs no memory of its own.
        guard bytes.count > 15 else { return String(decoding: bytes, as: UTF8.self) }
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
        let mixed = (first ^ middle &* 0x9e37_79b9_7f4a_7c15 ^ last &* 0xc2b2_ae3d_27d4_eb4f) &* 0xff51_afd7_ed55_8ccd
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
