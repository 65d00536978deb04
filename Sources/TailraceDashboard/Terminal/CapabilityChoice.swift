// SPDX-License-Identifier: MIT

/// What the user said about the terminal, and what its environment says.
public struct CapabilityChoice: Sendable {
    /// `--color`.
    public enum Colours: String, CaseIterable, Sendable {
        case auto, always, never
        case sixteen = "16"
        case palette256 = "256"
        case truecolor
    }

    /// `--background`.
    public enum Background: String, CaseIterable, Sendable { case auto, dark, light }

    /// Before NO_COLOR, and that before CLICOLOR_FORCE.
    public var colours = Colours.auto
    /// Only ASCII, whatever the locale says.
    public var isASCII = false
    /// Where `auto` does not know, it is dark.
    public var background = Background.auto

    /// Nothing said.
    public init(colours: Colours = .auto, isASCII: Bool = false, background: Background = .auto) {
        self.colours = colours
        self.isASCII = isASCII
        self.background = background
    }

    /// Whether a frame can be drawn there at all.
    public static func canDraw(_ environment: [String: String]) -> Bool {
        !["", "dumb", "unknown"].contains(environment["TERM"] ?? "")
    }

    /// What to draw with.
    public func capabilities(in environment: [String: String]) -> Capabilities {
        Capabilities(colours: depth(environment), tier: tier(environment), isLight: isLight(environment))
    }

    private func depth(_ environment: [String: String]) -> ColourDepth {
        switch colours {
        case .never: return .none
        case .sixteen: return .sixteen
        case .palette256: return .palette256
        case .truecolor: return .truecolor
        case .always: return max(.sixteen, Self.depth(ofTerminal: environment))
        case .auto: break
        }
        if environment["NO_COLOR"]?.isEmpty == false { return .none }
        let forced = environment["CLICOLOR_FORCE"] ?? "0"
        if forced != "0", !forced.isEmpty { return max(.sixteen, Self.depth(ofTerminal: environment)) }
        return environment["CLICOLOR"] == "0" ? .none : Self.depth(ofTerminal: environment)
    }

    private static func depth(ofTerminal environment: [String: String]) -> ColourDepth {
        let name = environment["TERM"] ?? ""
        if !canDraw(environment) || name.hasPrefix("vt") { return .none }
        if name == "linux" { return .sixteen }
        // GNU screen passes on no more, whatever the terminal around it can.
        if environment["STY"]?.isEmpty == false { return name.contains("256color") ? .palette256 : .sixteen }
        let capable = ["-direct", "kitty", "alacritty", "foot", "wezterm", "ghostty", "contour"]
        if ["truecolor", "24bit"].contains(environment["COLORTERM"] ?? "") || capable.contains(where: name.contains) {
            return .truecolor
        }
        return name.contains("256color") ? .palette256 : .sixteen
    }

    private func tier(_ environment: [String: String]) -> GlyphTier {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        let name = locale.lowercased()
        guard !isASCII, name.contains("utf-8") || name.contains("utf8") else { return .ascii }
        return environment["TERM"] == "linux" ? .console : .full
    }

    private func isLight(_ environment: [String: String]) -> Bool {
        switch background {
        case .light: return true
        case .dark: return false
        case .auto:
            // Text and background by number, with something between them in some terminals.
            guard let last = environment["COLORFGBG"]?.split(separator: ";").last, let colour = Int(last) else {
                return false
            }
            return colour == 7 || (9...15).contains(colour)
        }
    }
}
