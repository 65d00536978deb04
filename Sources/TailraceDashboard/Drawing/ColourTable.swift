// SPDX-License-Identifier: MIT

extension Palette {
    /// 24 bits of an entry of xterm's table, from 16 on: those below are the terminal's own.
    static func rgb(ofTable index: UInt8) -> UInt32 {
        if index >= 232 {
            let grey = 8 + 10 * (UInt32(index) - 232)
            return grey << 16 | grey << 8 | grey
        }
        let place = UInt32(index) - 16
        let steps: [UInt32] = [0, 95, 135, 175, 215, 255]
        return steps[Int(place / 36)] << 16 | steps[Int(place / 6 % 6)] << 8 | steps[Int(place % 6)]
    }

    /// The entry of xterm's table that is nearest to 24 bits.
    static func nearest(_ rgb: UInt32) -> UInt8 {
        func distance(_ index: UInt8) -> Int {
            let other = Palette.rgb(ofTable: index)
            let differences: [Int] = [16, 8, 0].map { (shift: UInt32) -> Int in
                Int(rgb >> shift & 0xff) - Int(other >> shift & 0xff)
            }
            // Eyes see green best.
            return 3 * differences[0] * differences[0] + 4 * differences[1] * differences[1]
                + 2 * differences[2] * differences[2]
        }
        return (UInt8(16)...255).min { distance($0) < distance($1) } ?? 16
    }

    /// 24 bits of what a terminal is told; nil: the terminal's own, which nobody knows.
    static func rgb(_ colour: Colour) -> UInt32? {
        switch colour {
        case .rgb(let rgb): rgb
        case .table(let index): index < 16 ? nil : rgb(ofTable: index)
        case .own: nil
        }
    }

    /// How well one is read on the other, roughly: 1...21.
    static func contrast(_ one: UInt32, _ other: UInt32) -> Double {
        let (a, b) = (luminance(one), luminance(other))
        return (max(a, b) + 0.05) / (min(a, b) + 0.05)
    }

    /// Relative luminance, roughly: 0...1.
    static func luminance(_ rgb: UInt32) -> Double {
        func linear(_ shift: UInt32) -> Double {
            let share = Double(rgb >> shift & 0xff) / 255
            return share * share
        }
        return 0.2126 * linear(16) + 0.7152 * linear(8) + 0.0722 * linear(0)
    }
}
