// SPDX-License-Identifier: MIT
import TailraceModel

/// A colour that a terminal can be told.
enum Colour: Hashable, Sendable {
    /// 24 bits.
    case rgb(UInt32)
    /// Of xterm's table.
    case table(UInt8)
    /// Of the terminal's own sixteen.
    case own(UInt8)
}

/// What ink looks like. Stages have the colours of Okabe and Ito, which people with any colour vision tell apart, and two greys;
/// densities have cividis. The terminal's own background stays.
struct Palette: Sendable {
    let depth: ColourDepth
    let isLight: Bool

    init(_ capabilities: Capabilities) {
        depth = capabilities.colours
        isLight = capabilities.isLight
    }

    /// nil: the terminal's own.
    func colour(_ ink: Ink) -> Colour? {
        switch depth {
        case .none: nil
        case .sixteen: own(ink).map { .own($0) }
        case .palette256: table(ink)
        case .truecolor: rgb(ink).map { .rgb($0) }
        }
    }

    /// Of the selected row; nil: it is shown by reversing.
    var selection: Colour? {
        switch depth {
        case .none, .sixteen: nil
        case .palette256: .table(isLight ? 253 : 237)
        case .truecolor: .rgb(isLight ? 0xd8e4ee : 0x26343f)
        }
    }

    /// Of plain text in it.
    var selectedInk: Colour? {
        switch depth {
        case .none, .sixteen: nil
        case .palette256: .table(isLight ? 234 : 231)
        case .truecolor: .rgb(isLight ? 0x16202a : 0xf4f7fa)
        }
    }

    /// Black or white, whichever is read better on that ink as a ground.
    func contrast(to ink: Ink) -> Colour? {
        guard depth >= .palette256, let ground = colour(ink).flatMap(Self.rgb) else { return nil }
        let isDark = Self.luminance(ground) < 0.18
        return depth == .truecolor ? .rgb(isDark ? 0xffffff : 0x000000) : .table(isDark ? 231 : 16)
    }

    /// Of text in the selected row: its own colour where that is read on the row's ground, else that of plain text.
    func selectedColour(_ ink: Ink) -> Colour? {
        guard let selection, let ground = Self.rgb(selection), let own = colour(ink), let text = Self.rgb(own) else {
            return selectedInk
        }
        return Self.contrast(text, ground) >= Self.leastContrast ? own : selectedInk
    }

    /// Of text to its ground, at least (WCAG 2 for large and bold text).
    static let leastContrast = 3.0

    private func rgb(_ ink: Ink) -> UInt32? {
        switch ink {
        case .plain: nil
        case .dim: isLight ? 0x5f6770 : 0x8b949e
        case .frame: isLight ? 0xaab2ba : 0x4a545e
        case .title, .key: isLight ? 0x005f9e : 0x6cc0f0
        case .good: isLight ? 0x00704f : 0x2bbf92
        case .stage(let stage): isLight ? Self.light[stage.index].rgb : Self.dark[stage.index].rgb
        case .severity(.notice): isLight ? 0x005f9e : 0x6cc0f0
        case .severity(.warning): isLight ? 0x9a6400 : 0xf0a818
        case .severity(.critical): isLight ? 0xb03a00 : 0xff7433
        case .heat(let level): Self.cividis(isLight ? (15 - level) * 8 : 15 + level * 8)
        case .series(let index): rgb(Self.series[((index % 6) + 6) % 6])
        }
    }

    private func own(_ ink: Ink) -> UInt8? {
        switch ink {
        case .plain, .dim, .frame: nil
        case .title, .key, .severity(.notice): isLight ? 4 : 6
        case .good: 2
        case .stage(let stage): isLight ? Self.light[stage.index].own : Self.dark[stage.index].own
        case .severity(.warning): isLight ? 5 : 3
        case .severity(.critical): isLight ? 1 : 9
        case .heat(let level): isLight ? (level < 5 ? 6 : level < 10 ? 4 : 0) : level < 5 ? 4 : level < 10 ? 6 : 11
        case .series(let index): own(Self.series[((index % 6) + 6) % 6])
        }
    }

    private func table(_ ink: Ink) -> Colour? {
        switch ink {
        case .stage(let stage): .table(isLight ? Self.light[stage.index].table : Self.dark[stage.index].table)
        case .series(let index): table(Self.series[((index % 6) + 6) % 6])
        case .heat(let level): .table((isLight ? Self.lightHeat : Self.darkHeat)[max(0, min(15, level))])
        default: rgb(ink).map { .table(Self.nearest($0)) }
        }
    }

    /// Curves that are no stages borrow their colours.
    private static let series: [Ink] = [
        .stage(.app), .stage(.network), .stage(.send), .stage(.queue), .stage(.qdisc), .stage(.accept),
    ]

    private struct Entry {
        let rgb: UInt32
        let table, own: UInt8
    }

    /// In the order of `Stage.allCases`. Any two of a column differ by 15 (CIE76) at least, whatever the colour vision.
    private static let dark = [
        Entry(rgb: 0xe1e1e1, table: 251, own: 7), Entry(rgb: 0x0072b2, table: 32, own: 12),
        Entry(rgb: 0x56b4e9, table: 117, own: 6), Entry(rgb: 0x009e73, table: 35, own: 2),
        Entry(rgb: 0xe69f00, table: 214, own: 3), Entry(rgb: 0xf0e442, table: 227, own: 11),
        Entry(rgb: 0xcc79a7, table: 139, own: 5), Entry(rgb: 0x5a6969, table: 242, own: 10),
        Entry(rgb: 0xd55e00, table: 166, own: 1),
    ]
    private static let light = [
        Entry(rgb: 0x6c4e4e, table: 241, own: 8), Entry(rgb: 0x0072b7, table: 25, own: 12),
        Entry(rgb: 0x069ccf, table: 68, own: 4), Entry(rgb: 0x0c6c30, table: 65, own: 2),
        Entry(rgb: 0xc38406, table: 94, own: 1), Entry(rgb: 0x699945, table: 136, own: 5),
        Entry(rgb: 0xab548d, table: 169, own: 13), Entry(rgb: 0x7e846c, table: 245, own: 0),
        Entry(rgb: 0xb1540c, table: 88, own: 9),
    ]

    /// Of xterm's table, chosen by hand, because the nearest to cividis jump between grey and olive: from blue over green to
    /// yellow, each lighter than the one before, the first one seen on black.
    private static let darkHeat: [UInt8] = [19, 20, 25, 26, 31, 32, 37, 38, 42, 78, 114, 149, 185, 191, 227, 228]
    /// The same on white: each darker.
    private static let lightHeat: [UInt8] = [186, 149, 114, 78, 42, 38, 37, 32, 31, 26, 25, 20, 19, 18, 17, 16]

    /// `place`: 0...135, from one end to the other.
    private static func cividis(_ place: Int) -> UInt32 {
        let stops: [UInt32] = [
            0x00204d, 0x00336f, 0x39486b, 0x575c6d, 0x707173, 0x8a8779, 0xa69d75, 0xc4b56c, 0xe4cf5b, 0xffea46,
        ]
        let place = max(0, min(135, place))
        let (low, rest) = (stops[place / 15], UInt32(place % 15))
        let high = stops[min(9, place / 15 + 1)]
        var mixed: UInt32 = 0
        for shift: UInt32 in [16, 8, 0] {
            mixed |= (((low >> shift & 0xff) * (15 - rest) + (high >> shift & 0xff) * rest) / 15) << shift
        }
        return mixed
    }
}
