// SPDX-License-Identifier: MIT

/// How many cells a character takes. Made so that no terminal can disagree with us for longer than one character: what
/// they are known to differ on (flags, skin tones, variation selectors, unassigned and private characters) is not written.
enum CellWidth {
    /// What to do with a scalar.
    enum Kind: Equatable {
        case narrow, wide
        /// Joins the character before it.
        case combining
        /// Has no part in the picture.
        case dropped
        /// Shown as `?`: terminals do not agree on its width.
        case unknown
    }

    static func kind(_ scalar: Unicode.Scalar) -> Kind {
        let value = scalar.value
        if value < 0x300 {
            return value >= 0x20 && value != 0x7f && !(0x80..<0xa0).contains(value) ? .narrow : .dropped
        }
        switch value {
        case 0xfe00...0xfe0f, 0xe0100...0xe01ef: return .dropped  // variation selectors
        case 0x1f3fb...0x1f3ff, 0x1f1e6...0x1f1ff, 0x1160...0x11ff, 0xd7b0...0xd7ff: return .unknown
        // Ours, and everybody's: lines, blocks, braille, arrows.
        case 0x2190...0x21ff, 0x2500...0x25fc, 0x2800...0x28ff: return .narrow
        default: break
        }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return .combining
        case .unassigned, .privateUse, .surrogate: return .unknown
        case .format, .control, .lineSeparator, .paragraphSeparator: return .dropped
        default: return isWide(value) ? .wide : .narrow
        }
    }

    /// Whether terminals may place what follows elsewhere.
    static func isDoubtful(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x300, 0x2190...0x21ff, 0x2500...0x25fc, 0x2800...0x28ff: false
        default: true
        }
    }

    private static func isWide(_ value: UInt32) -> Bool {
        guard value >= 0x1100 else { return false }
        var low = 0
        var high = wide.count
        while low < high {
            let middle = (low + high) / 2
            if wide[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low < wide.count && wide[low].contains(value)
    }

    /// East Asian Wide and Fullwidth, and emoji in their own right, as the C library (and so tmux) has them; neighbours are
    /// one range where only combining or unassigned characters are between them.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115f, 0x231a...0x231b, 0x2329...0x232a, 0x23e9...0x23ec, 0x23f0...0x23f0, 0x23f3...0x23f3,
        0x25fd...0x25fe, 0x2614...0x2615, 0x2648...0x2653, 0x267f...0x267f, 0x2693...0x2693, 0x26a1...0x26a1,
        0x26aa...0x26ab, 0x26bd...0x26be, 0x26c4...0x26c5, 0x26ce...0x26ce, 0x26d4...0x26d4, 0x26ea...0x26ea,
        0x26f2...0x26f3, 0x26f5...0x26f5, 0x26fa...0x26fa, 0x26fd...0x26fd, 0x2705...0x2705, 0x270a...0x270b,
        0x2728...0x2728, 0x274c...0x274c, 0x274e...0x274e, 0x2753...0x2755, 0x2757...0x2757, 0x2795...0x2797,
        0x27b0...0x27b0, 0x27bf...0x27bf, 0x2b1b...0x2b1c, 0x2b50...0x2b50, 0x2b55...0x2b55, 0x2e80...0x303e,
        0x3041...0x4dbf, 0x4e00...0xa4c6, 0xa960...0xa97c, 0xac00...0xd7a3, 0xf900...0xfad9, 0xfe10...0xfe19,
        0xfe30...0xfe6b, 0xff01...0xff60, 0xffe0...0xffe6, 0x16fe0...0x18cd5, 0x18d00...0x18d08, 0x1aff0...0x1b2fb,
        0x1f004...0x1f004, 0x1f0cf...0x1f0cf, 0x1f18e...0x1f18e, 0x1f191...0x1f19a, 0x1f200...0x1f265,
        0x1f300...0x1f320, 0x1f32d...0x1f335, 0x1f337...0x1f37c, 0x1f37e...0x1f393, 0x1f3a0...0x1f3ca,
        0x1f3cf...0x1f3d3, 0x1f3e0...0x1f3f0, 0x1f3f4...0x1f3f4, 0x1f3f8...0x1f43e, 0x1f440...0x1f440,
        0x1f442...0x1f4fc, 0x1f4ff...0x1f53d, 0x1f54b...0x1f54e, 0x1f550...0x1f567, 0x1f57a...0x1f57a,
        0x1f595...0x1f596, 0x1f5a4...0x1f5a4, 0x1f5fb...0x1f64f, 0x1f680...0x1f6c5, 0x1f6cc...0x1f6cc,
        0x1f6d0...0x1f6d2, 0x1f6d5...0x1f6df, 0x1f6eb...0x1f6ec, 0x1f6f4...0x1f6fc, 0x1f7e0...0x1f7f0,
        0x1f90c...0x1f93a, 0x1f93c...0x1f945, 0x1f947...0x1f9ff, 0x1fa70...0x1faf6, 0x20000...0x3134a,
    ]
}
