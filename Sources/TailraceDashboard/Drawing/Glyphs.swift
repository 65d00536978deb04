// SPDX-License-Identifier: MIT
import TailraceModel

/// Signs, with what stands for them where the font has not got them. Each severity has its own sign and word, so that nothing
/// depends on colour.
public struct Glyphs: Sendable {
    let tier: GlyphTier

    /// For a tier.
    public init(_ tier: GlyphTier) { self.tier = tier }

    /// In front of the selected row.
    public var selection: String { tier == .full ? "▶" : ">" }
    /// Of a text that was cut.
    public var ellipsis: Unicode.Scalar { tier == .full ? "…" : "~" }
    /// A value that rises.
    public var rises: String { tier == .ascii ? "^" : tier == .console ? "↑" : "▲" }
    /// A value that falls.
    public var falls: String { tier == .ascii ? "v" : tier == .console ? "↓" : "▼" }
    /// A column that is sorted with the largest first.
    public var descending: String { tier == .ascii ? "v" : tier == .console ? "↓" : "▼" }
    /// A column that is sorted with the smallest first.
    public var ascending: String { tier == .ascii ? "^" : tier == .console ? "↑" : "▲" }
    /// The keys up and down.
    public var upDown: String { tier == .ascii ? "up/dn" : "↑↓" }
    /// The keys left and right.
    public var leftRight: String { tier == .ascii ? "</>" : "←→" }
    /// All is well.
    public var good: String { tier == .full ? "✓" : "ok" }
    /// It is not.
    public var bad: String { tier == .full ? "✗" : "no" }
    /// Being recorded.
    public var record: String { tier == .full ? "●" : "*" }
    /// A recording that plays.
    public var play: String { tier == .full ? "▶" : ">" }
    /// Frozen, or a recording that stands still.
    public var pause: String { tier == .full ? "‖" : "=" }
    /// Between clauses.
    public var separator: String { tier == .ascii ? "|" : "│" }
    /// Something that is not known.
    public var unknown: String { "-" }
    /// About.
    public var about: String { tier == .ascii ? "~" : "≈" }
    /// A mean or a share within a table: nothing there.
    public var nothing: String { tier == .ascii ? "." : "·" }

    /// How bad: one cell.
    public func mark(_ severity: Severity) -> String {
        switch severity {
        case .notice: tier == .full ? "●" : "o"
        case .warning: tier == .full ? "▲" : "!"
        case .critical: tier == .full ? "◆" : "X"
        }
    }

    /// How bad, in four letters.
    public func word(_ severity: Severity) -> String {
        switch severity {
        case .notice: "NOTE"
        case .warning: "WARN"
        case .critical: "CRIT"
        }
    }

    /// What stands for a character beyond the tier.
    static func substitute(for scalar: Unicode.Scalar, in tier: GlyphTier) -> Unicode.Scalar {
        if tier == .full || scalar.isASCII { return scalar }
        if tier == .console, console.contains(scalar) { return scalar }
        return ascii[scalar] ?? "?"
    }

    /// What the Linux console's built-in font has.
    private static let console: Set<Unicode.Scalar> = [
        "─", "│", "┌", "┐", "└", "┘", "├", "┤", "┬", "┴", "┼", "░", "▒", "▓", "█", "▄", "▀", "▌", "▐", "·", "≈", "→",
        "←", "↑", "↓", "±", "µ", "°", "²", "√", "≤", "≥",
    ]

    private static let ascii: [Unicode.Scalar: Unicode.Scalar] = [
        "…": "~", "·": ".", "•": "*", "–": "-", "—": "-", "→": ">", "←": "<", "↑": "^", "↓": "v", "▲": "^", "▼": "v",
        "▶": ">", "◀": "<", "●": "o", "◆": "X", "✓": "+", "✗": "x", "≈": "~", "≤": "<", "≥": ">", "×": "x", "µ": "u",
        "μ": "u", "ρ": "r", "±": "~", "°": "o", "²": "2", "‖": "=", "│": "|", "─": "-", "┌": "+", "┐": "+", "└": "+",
        "┘": "+", "├": "+", "┤": "+", "┬": "+", "┴": "+", "┼": "+", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "█": "#",
        "▓": "#", "▒": "*", "░": ":", "▌": "#", "▐": "#", "▄": "#", "▀": "#", "“": "\"", "”": "\"", "‘": "'", "’": "'",
        "\u{a0}": " ",
    ]
}
