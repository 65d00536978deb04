// SPDX-License-Identifier: MIT

/// What a person pressed.
public enum Key: Hashable, Sendable {
    /// A character that can be typed.
    case character(Character)
    case up, down, left, right, pageUp, pageDown, home, end
    case enter, escape, tab, backTab, backspace, delete
    /// F1 ... F12.
    case function(Int)
    /// Ctrl-C.
    case interrupt
    /// Ctrl-Z.
    case suspend
    /// Ctrl-L.
    case redraw
    /// Ctrl and a letter, in lower case: all but those above.
    case control(Character)
    /// Zero-based place.
    case mouse(row: Int, column: Int, button: MouseButton)

    /// What of a mouse.
    public enum MouseButton: Hashable, Sendable { case left, middle, right, wheelUp, wheelDown }
}
