// SPDX-License-Identifier: MIT

/// One place on the canvas: a character of at most 16 bytes UTF-8 with its combining marks, and how it looks.
struct Cell: Equatable, Sendable {
    /// UTF-8, filled with 0. All 0: the right half of the wide character before it.
    var bytes: SIMD16<UInt8>
    var style: Style
    /// Whether terminals may disagree about its width, so that what follows is placed anew.
    var isDoubtful: Bool
    /// Whether it takes two cells, this one and the continuation behind it.
    var isWide = false

    static let blank = Cell(ascii: 0x20, style: .plain)

    init(ascii: UInt8, style: Style) {
        bytes = SIMD16(repeating: 0)
        bytes[0] = ascii
        self.style = style
        isDoubtful = false
    }

    init(_ scalar: Unicode.Scalar, style: Style, isDoubtful: Bool = false) {
        bytes = SIMD16(repeating: 0)
        self.style = style
        self.isDoubtful = isDoubtful
        append(scalar)
    }

    /// The right half of the wide character before it.
    static func continuation(_ style: Style) -> Cell {
        var cell = Cell(ascii: 0, style: style)
        cell.isDoubtful = true
        return cell
    }

    var isContinuation: Bool { bytes[0] == 0 }

    /// Bytes used.
    var count: Int {
        var count = 0
        while count < 16, bytes[count] != 0 { count += 1 }
        return count
    }

    /// Adds a scalar's UTF-8. What does not fit in is dropped: a flood of combining marks ends here.
    mutating func append(_ scalar: Unicode.Scalar) {
        var place = count
        let encoded = UTF8.encode(scalar)
        guard let encoded, place + encoded.count <= 16 else { return }
        for byte in encoded {
            bytes[place] = byte
            place += 1
        }
    }

    func write(into output: inout [UInt8]) {
        for index in 0..<count { output.append(bytes[index]) }
    }
}
