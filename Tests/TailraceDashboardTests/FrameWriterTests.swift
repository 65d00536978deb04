// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceDashboard

@Suite struct FrameWriterTests {
    static let capabilities = ColourDepth.allCases.flatMap { depth in
        GlyphTier.allCases.flatMap { tier in
            [false, true].map { Capabilities(colours: depth, tier: tier, isLight: $0) }
        }
    }

    @Test(arguments: capabilities) func theTerminalShowsTheCanvas(_ capabilities: Capabilities) {
        var random = SeededGenerator(state: 7)
        var writer = FrameWriter()
        var screen = ScreenModel(columns: 40, rows: 9)
        var canvas = Canvas(columns: 40, rows: 9, capabilities: capabilities)
        for _ in 0..<60 {
            Self.scribble(on: &canvas, &random)
            screen.take(writer.bytes(for: canvas))
            #expect(screen.refused.isEmpty)
            #expect(!screen.isSynchronized)
            guard screen.places == ScreenModel.expected(canvas) else {
                Issue.record("\(canvas.lines) became \(screen.places.map(\.text).joined())")
                return
            }
        }
    }

    @Test func whatDidNotChangeIsNotWritten() {
        var writer = FrameWriter()
        var canvas = Canvas(columns: 160, rows: 45, capabilities: Capabilities())
        canvas.box(canvas.area, title: "all")
        let whole = writer.bytes(for: canvas).count
        #expect(writer.bytes(for: canvas).isEmpty)
        canvas.put("12", row: 20, column: 100)
        #expect(writer.bytes(for: canvas).count < 40)
        writer.invalidate()
        #expect(writer.bytes(for: canvas).count >= whole)
    }

    @Test func aSelectedRowDropsItsColoursWhereTheyAreFew() {
        let style = Style(.stage(.blocked), isBold: true, isSelected: true, ground: .heat(3))
        let few = Rendition(style, Palette(Capabilities(colours: .sixteen)))
        #expect(few.ink == nil && few.ground == nil && few.isReversed)
        let many = Rendition(style, Palette(Capabilities(colours: .truecolor)))
        #expect(many.ink != nil && many.ground != nil && !many.isReversed)
        // Whatever the terminal's own text is like, that row can be read.
        for depth in [ColourDepth.palette256, .truecolor] {
            #expect(Rendition(Style(isSelected: true), Palette(Capabilities(colours: depth))).ink != nil)
        }
    }

    @Test func withoutColoursNoneIsWritten() {
        for ink in ScribbledInk.all {
            for style in [Style(ink), Style(ink, isSelected: true), Style(ground: ink)] {
                let rendition = Rendition(style, Palette(Capabilities(colours: .none)))
                #expect(rendition.ink == nil && rendition.ground == nil)
            }
        }
    }

    enum ScribbledInk {
        static let all: [Ink] =
            [.plain, .dim, .title, .good, .key, .frame, .heat(0), .heat(15), .series(2)]
            + Stage.allCases.map { .stage($0) } + Severity.allCases.map { .severity($0) }
    }

    static let texts = [
        "tailrace", "日本語", "e\u{301}a\u{300}\u{302}", "👍x", "▁▃█", "ĸ≈…", "\u{1b}[31m", " ", "a😀b", "ｈ",
        "\u{1f1e9}\u{1f1ea}",
    ]

    static func scribble(on canvas: inout Canvas, _ random: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 0..<6, using: &random) {
            let style = Style(
                ScribbledInk.all.randomElement(using: &random) ?? .plain, isBold: .random(using: &random),
                isReversed: .random(using: &random), isSelected: .random(using: &random),
                ground: Bool.random(using: &random) ? nil : ScribbledInk.all.randomElement(using: &random))
            let row = Int.random(in: -1...9, using: &random)
            let column = Int.random(in: -2...41, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: canvas.fill(row: row, column: column, width: .random(in: 0..<9, using: &random), style: style)
            case 1: canvas.bar(.random(in: 0...1, using: &random), row: row, column: column, width: 6, style: style)
            case 2: canvas.select(row: row, column: column, width: 11)
            default:
                let text = texts.randomElement(using: &random) ?? ""
                canvas.put(
                    text + text, row: row, column: column, width: .random(in: 0..<12, using: &random), style: style,
                    alignRight: .random(using: &random))
            }
        }
    }
}
