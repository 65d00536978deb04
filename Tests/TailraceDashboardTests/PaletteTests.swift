// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel
import Testing

@testable import TailraceDashboard

/// How people with each colour vision see it: Machado, Oliveira and Fernandes 2009, severity 1.
@Suite struct PaletteTests {
    enum Vision: CaseIterable {
        case normal, protan, deutan, tritan

        var matrix: [[Double]] {
            switch self {
            case .normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
            case .protan:
                [
                    [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
                ]
            case .deutan:
                [
                    [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
                ]
            case .tritan:
                [
                    [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900],
                ]
            }
        }
    }

    @Test(arguments: Vision.allCases, [false, true])
    func anyTwoStagesAreToldApart(_ vision: Vision, isLight: Bool) {
        for depth in [ColourDepth.palette256, .truecolor] {
            let palette = Palette(Capabilities(colours: depth, isLight: isLight))
            for (index, one) in Stage.allCases.enumerated() {
                for other in Stage.allCases[(index + 1)...] {
                    let difference = Self.difference(
                        Self.seen(palette.colour(.stage(one)), vision), Self.seen(palette.colour(.stage(other)), vision)
                    )
                    #expect(difference >= 15, "\(one) and \(other), \(depth), \(isLight ? "light" : "dark")")
                }
            }
        }
    }

    private static let texts: [Ink] =
        [.dim, .title, .good, .key] + Stage.allCases.map { .stage($0) } + Severity.allCases.map { .severity($0) }

    @Test(arguments: [false, true]) func everyTextIsReadOnItsBackgroundAndInTheSelectedRow(_ isLight: Bool) {
        for depth in [ColourDepth.palette256, .truecolor] {
            let palette = Palette(Capabilities(colours: depth, isLight: isLight))
            for ink in Self.texts {
                let lightness = Self.lightness(palette.colour(ink))
                let contrast = isLight ? 1.05 / (lightness + 0.05) : (lightness + 0.05) / 0.05
                let isStage = if case .stage = ink { true } else { false }
                #expect(contrast >= (isStage ? 3 : 4), "\(ink), \(depth), \(isLight ? "light" : "dark")")
                // As a terminal is told it.
                let rendition = Rendition(Style(ink).selected(), palette)
                let ground = Self.lightness(rendition.ground)
                let text = Self.lightness(rendition.ink)
                let selected = (max(text, ground) + 0.05) / (min(text, ground) + 0.05)
                #expect(selected >= 3, "\(ink) selected, \(depth), \(isLight ? "light" : "dark"): \(selected)")
            }
        }
    }

    @Test func sixteenColoursAreReadOnWhite() {
        let palette = Palette(Capabilities(colours: .sixteen, isLight: true))
        for ink in Self.texts {
            guard case .own(let index)? = palette.colour(ink) else { continue }
            // Yellow, cyan, white and their bright ones, and bright green.
            #expect(![3, 6, 7, 10, 11, 14, 15].contains(index), "\(ink)")
        }
        #expect(palette.colour(.severity(.warning)) != palette.colour(.severity(.critical)))
        #expect(Set(Stage.allCases.map { palette.colour(.stage($0)) }).count == Stage.allCases.count)
    }

    @Test(arguments: [false, true], [ColourDepth.palette256, .truecolor])
    func moreHeatIsFartherFromTheBackground(_ isLight: Bool, _ depth: ColourDepth) {
        let palette = Palette(Capabilities(colours: depth, isLight: isLight))
        let levels = (0..<16).map { Self.lightness(palette.colour(.heat($0))) }
        for (less, more) in zip(levels, levels.dropFirst()) { #expect(isLight ? more < less : more > less) }
        // The least one is seen.
        #expect((isLight ? 1.05 / (levels[0] + 0.05) : (levels[0] + 0.05) / 0.05) >= 1.4)
        guard depth == .palette256 else { return }
        for level in 0..<15 {
            let steps = [
                Self.seen(palette.colour(.heat(level)), .normal), Self.seen(palette.colour(.heat(level + 1)), .normal),
            ]
            #expect(Self.difference(steps[0], steps[1]) < 90, "a jump after \(level)")
        }
    }

    private static func seen(_ colour: Colour?, _ vision: Vision) -> [Double] {
        let linear = linear(colour)
        return lab(vision.matrix.map { row in max(0, min(1, zip(row, linear).reduce(0) { $0 + $1.0 * $1.1 })) })
    }

    private static func linear(_ colour: Colour?) -> [Double] {
        let value: UInt32
        switch colour {
        case .rgb(let rgb): value = rgb
        case .table(let index): value = Palette.rgb(ofTable: index)
        default: value = 0
        }
        return [16, 8, 0].map { (shift: UInt32) -> Double in
            let share = Double(value >> shift & 0xff) / 255
            return share <= 0.04045 ? share / 12.92 : power((share + 0.055) / 1.055, 2.4)
        }
    }

    private static func lightness(_ colour: Colour?) -> Double {
        zip([0.2126, 0.7152, 0.0722], linear(colour)).reduce(0) { $0 + $1.0 * $1.1 }
    }

    private static func lab(_ linear: [Double]) -> [Double] {
        let rows = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        let white = [0.95047, 1, 1.08883]
        let f = zip(rows, white).map { row, white -> Double in
            let value = zip(row, linear).reduce(0) { $0 + $1.0 * $1.1 } / white
            return value > 0.008856 ? power(value, 1.0 / 3) : 7.787 * value + 16.0 / 116
        }
        return [116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])]
    }

    private static func difference(_ one: [Double], _ other: [Double]) -> Double {
        zip(one, other).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    }

    private static func power(_ base: Double, _ exponent: Double) -> Double { Glibc.pow(base, exponent) }
}
