// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceDashboard

@Suite struct CanvasTests {
    @Test func aBoxHoldsItsTitleAndItsNote() {
        var canvas = Canvas(columns: 24, rows: 3, capabilities: Capabilities())
        let inside = canvas.box(canvas.area, title: "stages", note: "60s")
        canvas.put("hello", row: inside.row, column: inside.column)
        #expect(canvas.lines == ["╭─ stages ─────── 60s ─╮", "│hello                 │", "╰──────────────────────╯"])
    }

    @Test func whatIsCutSaysSo() {
        var canvas = Canvas(columns: 8, rows: 1, capabilities: Capabilities())
        canvas.put("tailrace top", row: 0, column: 0)
        #expect(canvas.lines == ["tailrac…"])
    }

    @Test func noEscapeEntersACell() {
        var canvas = Canvas(columns: 40, rows: 1, capabilities: Capabilities())
        canvas.put("a\u{1b}[2Jb\u{200d}c\u{202e}d", row: 0, column: 0)
        #expect(canvas.lines == ["a\\u{1b}[2Jb\\u{200d}c\\u{202e}d"])
    }

    @Test func wideCharactersTakeTwoCellsAndAreNeverHalved() {
        var canvas = Canvas(columns: 7, rows: 1, capabilities: Capabilities())
        #expect(canvas.put("日本語", row: 0, column: 0) == 6)
        canvas.put("x", row: 0, column: 1)
        #expect(canvas.lines == [" x本語"])
        canvas.put("日本語日", row: 0, column: 0)
        #expect(canvas.lines == ["日本語…"])
    }
}
