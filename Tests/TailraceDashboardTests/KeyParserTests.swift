// SPDX-License-Identifier: MIT
import SeededRandom
import Testing

@testable import TailraceDashboard

@Suite struct KeyParserTests {
    static let known: [(String, [Key])] = [
        ("q", [.character("q")]), ("\u{1b}[A", [.up]), ("\u{1b}OB", [.down]), ("\u{1b}[1;5C", [.right]),
        ("\u{1b}[5~\u{1b}[6~", [.pageUp, .pageDown]), ("\u{1b}[H\u{1b}[4~", [.home, .end]),
        ("\u{1b}[Z\t", [.backTab, .tab]),
        ("\r\n", [.enter, .enter]), ("\u{7f}\u{8}", [.backspace, .backspace]), ("\u{3}", [.interrupt]),
        ("\u{c}\u{1a}", [.redraw, .suspend]), ("\u{4}", [.control("d")]), ("é日", [.character("é"), .character("日")]),
        ("\u{1b}[<0;12;3M", [.mouse(row: 2, column: 11, button: .left)]), ("\u{1b}[<0;12;3m", []),
        ("\u{1b}[<65;1;1M", [.mouse(row: 0, column: 0, button: .wheelDown)]), ("\u{1b}[<35;1;1M", []),
        ("\u{1b}[200~q\u{3}:\u{1b}[A\u{1b}[201~x", [.character("x")]), ("\u{1b}]11;rgb:0/0/0\u{7}q", [.character("q")]),
        ("\u{1b}P1$r0m\u{1b}\\q", [.character("q")]), ("\u{1b}[?1;2cq", [.character("q")]),
        ("\u{1b}[15~", [.function(5)]),
        ("\u{1b}OP", [.function(1)]), ("\u{1b}[M !!q", [.character("q")]), ("\u{1b}q", [.escape, .character("q")]),
        ("\u{1b}\u{1b}[A", [.escape, .up]), ("\u{1b}[999999999999999999999999999999999999999999~q", [.character("q")]),
        ("\u{1b}[\u{3}", [.interrupt]), ("\u{1b}]\u{3}", [.escape, .character("]"), .interrupt]),
        ("\u{1b}]11;\u{3}q", [.interrupt, .character("q")]), ("\u{1b}P1\u{3}", [.interrupt]),
        ("\u{1b}]q", [.escape, .character("]"), .character("q")]),
        ("\u{1b}Pq", [.escape, .character("P"), .character("q")]),
        ("\u{1b}_x\u{3}", [.interrupt]), ("\u{202e}", []),
    ]

    @Test(arguments: known.indices) func aSequenceIsItsKeyHoweverItIsTorn(_ index: Int) {
        let (text, keys) = Self.known[index]
        var whole = KeyParser()
        #expect(whole.take(text.utf8) == keys)
        var torn = KeyParser()
        #expect(text.utf8.flatMap { torn.take([$0]) } == keys)
    }

    @Test func aLoneEscapeIsOneAfterAWhile() {
        var parser = KeyParser()
        #expect(parser.patience == nil)
        #expect(parser.take([0x1b]).isEmpty)
        #expect(parser.patience == KeyParser.escapeDelay)
        #expect(parser.giveUp() == [.escape])
        #expect(parser.patience == nil)
        #expect(parser.take("\u{1b}[".utf8).isEmpty)
        #expect(parser.giveUp().isEmpty)
        #expect(parser.take("\u{1b}]".utf8).isEmpty && parser.patience == KeyParser.escapeDelay)
        #expect(parser.giveUp() == [.escape, .character("]")])
        #expect(parser.take("\u{1b}]1".utf8).isEmpty && parser.patience == KeyParser.stringDelay)
        #expect(parser.giveUp().isEmpty)
        #expect(parser.take("A".utf8) == [.character("A")])
    }

    @Test(arguments: 0..<50) func anythingIsTakenAndKeysFollow(_ seed: Int) {
        var random = SeededGenerator(state: UInt64(seed))
        var parser = KeyParser()
        let likely: [UInt8] = [0x1b, 0x5b, 0x4f, 0x5d, 0x3c, 0x3b, 0x4d, 0x7e, 0x30, 0x39, 0x07, 0xe2, 0x82, 0xff]
        for _ in 0..<2000 {
            let byte =
                Bool.random(using: &random)
                ? likely.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
            let keys = parser.take([byte])
            #expect(keys.count <= 3)
        }
        _ = parser.giveUp()
        #expect(parser.take("q".utf8) == [.character("q")])
    }
}
