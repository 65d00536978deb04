// SPDX-License-Identifier: MIT

/// How many colours a terminal shows.
public enum ColourDepth: Int, Comparable, Sendable, CaseIterable {
    /// None: bold, reverse and faint only.
    case none
    /// The terminal's own sixteen.
    case sixteen
    /// xterm's table.
    case palette256
    /// 24 bits.
    case truecolor

    /// Fewer is less.
    public static func < (left: ColourDepth, right: ColourDepth) -> Bool { left.rawValue < right.rawValue }
}

/// Which characters a terminal's font can be trusted to have.
public enum GlyphTier: Int, Comparable, Sendable, CaseIterable {
    /// ASCII.
    case ascii
    /// The Linux console: lines, four shades, half blocks, few arrows.
    case console
    /// Braille, eighths of blocks, round corners.
    case full

    /// Fewer is less.
    public static func < (left: GlyphTier, right: GlyphTier) -> Bool { left.rawValue < right.rawValue }
}

/// What a terminal can show.
public struct Capabilities: Hashable, Sendable {
    /// How many colours.
    public var colours: ColourDepth
    /// Which characters.
    public var tier: GlyphTier
    /// Whether its background is light.
    public var isLight: Bool

    /// Whether anything beyond ASCII may be written.
    public var isUnicode: Bool { tier != .ascii }

    /// By tier.
    public init(colours: ColourDepth, tier: GlyphTier, isLight: Bool = false) {
        self.colours = colours
        self.tier = tier
        self.isLight = isLight
    }

    /// All characters, or ASCII.
    public init(colours: ColourDepth = .truecolor, isUnicode: Bool = true, isLight: Bool = false) {
        self.init(colours: colours, tier: isUnicode ? .full : .ascii, isLight: isLight)
    }

    /// Text without a terminal.
    public static let text = Capabilities(colours: .none, tier: .ascii)
}
