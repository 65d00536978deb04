// SPDX-License-Identifier: MIT
import TailraceModel

/// What a cell means, not its colour: the palette decides that, by what the terminal can show.
public enum Ink: Hashable, Sendable {
    /// The terminal's own colour.
    case plain
    /// Of less weight: headings of columns, units, frames' notes.
    case dim
    /// A title, or a number that matters.
    case title
    /// All is well.
    case good
    /// A key that can be pressed.
    case key
    /// Frames and rules.
    case frame
    /// A stage of a response.
    case stage(Stage)
    /// How bad.
    case severity(Severity)
    /// Density, 0 (least) ... 15.
    case heat(Int)
    /// The nth of several series, from 0.
    case series(Int)
}

/// How a cell looks.
public struct Style: Hashable, Sendable {
    /// Of the character. `.plain` on a ground: black or white, whichever is read better.
    public var ink: Ink
    /// Whether it is bold. Never the only sign of anything.
    public var isBold: Bool
    /// Whether character and background change places.
    public var isReversed: Bool
    /// Part of the selected row. Where colours are few, it drops all others.
    public var isSelected: Bool
    /// Of the background; nil: the terminal's own.
    public var ground: Ink?

    /// Plain, unless told.
    public init(
        _ ink: Ink = .plain, isBold: Bool = false, isReversed: Bool = false, isSelected: Bool = false,
        ground: Ink? = nil
    ) {
        self.ink = ink
        self.isBold = isBold
        self.isReversed = isReversed
        self.isSelected = isSelected
        self.ground = ground
    }

    /// The terminal's own.
    public static let plain = Style()
    /// Of less weight.
    public static let dim = Style(.dim)
    /// A title.
    public static let title = Style(.title, isBold: true)
    /// A value that matters.
    public static let bold = Style(isBold: true)

    /// The same in the selected row.
    public func selected(_ isSelected: Bool = true) -> Style {
        var style = self
        style.isSelected = isSelected
        return style
    }
}
