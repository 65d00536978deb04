// SPDX-License-Identifier: MIT
import ArgumentParser
import Glibc
import TailraceDashboard

extension CapabilityChoice.Colours: ExpressibleByArgument {}
extension CapabilityChoice.Background: ExpressibleByArgument {}

/// How a frame is drawn.
struct ScreenOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Which colours: auto, always, never, 16, 256 or truecolor. Before NO_COLOR and CLICOLOR.",
            valueName: "which"))
    var color = CapabilityChoice.Colours.auto

    @Flag(help: "Draw with ASCII only; else the locale and the terminal decide.")
    var ascii = false

    @Option(
        help: ArgumentHelp(
            "Whether the terminal's background is dark or light; auto asks COLORFGBG, else it is dark.",
            valueName: "which"))
    var background = CapabilityChoice.Background.auto

    @Flag(help: "Take the mouse as well; the terminal then selects text only with Shift.")
    var mouse = false

    /// Of the environment, what says something about the terminal.
    static let environment: [String: String] = {
        let names = [
            "TERM", "COLORTERM", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "LC_ALL", "LC_CTYPE", "LANG", "COLORFGBG",
            "STY",
        ]
        return Dictionary(
            uniqueKeysWithValues: names.compactMap { name in getenv(name).map { (name, String(cString: $0)) } })
    }()

    var capabilities: TailraceDashboard.Capabilities {
        CapabilityChoice(colours: color, isASCII: ascii, background: background)
            .capabilities(in: Self.environment)
    }

    /// nil: what is written goes to no terminal, or to one that cannot place a cursor.
    func terminal() -> Terminal? {
        guard isatty(STDOUT_FILENO) == 1, CapabilityChoice.canDraw(Self.environment) else { return nil }
        return Terminal(takesMouse: mouse)
    }
}
