// SPDX-License-Identifier: MIT

/// Lists of fields: tag (2 bytes), length (2), value; numbers have 8 bytes. Readers skip tags that they do not know.
struct FieldWriter {
    private(set) var bytes: [UInt8] = []

    mutating func add(_ tag: UInt16, _ number: UInt64) {
        begin(tag, length: 8)
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func add(_ tag: UInt16, _ number: Int64) { add(tag, UInt64(bitPattern: number)) }

    /// Cut to what a length can say; nil adds nothing.
    mutating func add(_ tag: UInt16, _ text: String?) {
        guard let text else { return }
        let value = text.utf8.prefix(Self.longestText)
        begin(tag, length: value.count)
        bytes.append(contentsOf: value)
    }

    private mutating func begin(_ tag: UInt16, length: Int) {
        withUnsafeBytes(of: tag.littleEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: UInt16(length).littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Longer than any path.
    private static let longestText = 8192
}

/// One field of a list.
struct Field {
    let tag: UInt16
    private let value: UnsafeRawBufferPointer

    fileprivate init(tag: UInt16, value: UnsafeRawBufferPointer) {
        self.tag = tag
        self.value = value
    }

    /// nil: it is no number.
    var number: UInt64? {
        value.count == 8 ? UInt64(littleEndian: value.loadUnaligned(as: UInt64.self)) : nil
    }

    var signed: Int64? { number.map { Int64(bitPattern: $0) } }

    /// Repaired where it is not UTF-8. Untrusted.
    var text: String { String(decoding: value, as: UTF8.self) }
}

/// Calls `take` for each field; false: the list does not end where it should, and what was taken is not to be used.
func readFields(_ bytes: UnsafeRawBufferPointer, _ take: (Field) -> Void) -> Bool {
    var rest = bytes
    while !rest.isEmpty {
        guard rest.count >= 4 else { return false }
        let tag = UInt16(littleEndian: rest.loadUnaligned(as: UInt16.self))
        let length = Int(UInt16(littleEndian: rest.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        guard rest.count - 4 >= length else { return false }
        take(Field(tag: tag, value: UnsafeRawBufferPointer(rebasing: rest[4..<(4 + length)])))
        rest = UnsafeRawBufferPointer(rebasing: rest[(4 + length)...])
    }
    return true
}
