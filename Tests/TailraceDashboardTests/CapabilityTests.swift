// SPDX-License-Identifier: MIT
import Testing

@testable import TailraceDashboard

@Suite struct CapabilityTests {
    static let terminals: [(String, [String: String], ColourDepth)] = [
        ("truecolor", ["TERM": "xterm-256color", "COLORTERM": "truecolor"], .truecolor),
        ("24bit", ["TERM": "xterm", "COLORTERM": "24bit"], .truecolor), ("xterm", ["TERM": "xterm"], .sixteen),
        ("256", ["TERM": "screen-256color"], .palette256), ("direct", ["TERM": "xterm-direct"], .truecolor),
        ("kitty", ["TERM": "xterm-kitty"], .truecolor), ("console", ["TERM": "linux"], .sixteen),
        ("console in a truecolor shell", ["TERM": "linux", "COLORTERM": "truecolor"], .sixteen),
        ("vt220", ["TERM": "vt220"], .none), ("dumb", ["TERM": "dumb", "COLORTERM": "truecolor"], .none),
        ("screen", ["TERM": "screen", "COLORTERM": "truecolor", "STY": "1.pts"], .sixteen),
        ("NO_COLOR", ["TERM": "xterm-256color", "NO_COLOR": "1", "CLICOLOR_FORCE": "1"], .none),
        ("empty NO_COLOR", ["TERM": "xterm-256color", "NO_COLOR": ""], .palette256),
        ("CLICOLOR", ["TERM": "xterm-256color", "CLICOLOR": "0"], .none),
        ("CLICOLOR_FORCE", ["TERM": "vt100", "CLICOLOR_FORCE": "1", "CLICOLOR": "0"], .sixteen),
        ("nothing", [:], .none),
    ]

    @Test(arguments: terminals.indices) func theEnvironmentDecides(_ index: Int) {
        let (name, environment, depth) = Self.terminals[index]
        #expect(CapabilityChoice().capabilities(in: environment).colours == depth, "\(name)")
    }

    @Test func theOptionComesBeforeTheEnvironment() {
        let environment = ["TERM": "xterm-256color", "NO_COLOR": "1"]
        let expected: [CapabilityChoice.Colours: ColourDepth] = [
            .auto: .none, .always: .palette256, .never: .none, .sixteen: .sixteen, .palette256: .palette256,
            .truecolor: .truecolor,
        ]
        for (choice, depth) in expected {
            #expect(CapabilityChoice(colours: choice).capabilities(in: environment).colours == depth)
        }
        #expect(CapabilityChoice(colours: .always).capabilities(in: ["TERM": "dumb"]).colours == .sixteen)
    }

    @Test func theLocaleDecidesAboutSigns() {
        func tier(_ environment: [String: String], isASCII: Bool = false) -> GlyphTier {
            CapabilityChoice(isASCII: isASCII).capabilities(in: environment).tier
        }
        #expect(tier(["LANG": "de_DE.UTF-8"]) == .full)
        #expect(tier(["LANG": "C.utf8"]) == .full)
        #expect(tier(["LANG": "C.utf8", "LC_ALL": "C"]) == .ascii)
        #expect(tier(["LANG": "en_US.UTF-8", "LC_ALL": ""]) == .full)
        #expect(tier(["LANG": "de_DE.ISO-8859-1"]) == .ascii)
        #expect(tier([:]) == .ascii)
        #expect(tier(["LANG": "C.UTF-8", "TERM": "linux"]) == .console)
        #expect(tier(["LANG": "C.UTF-8"], isASCII: true) == .ascii)
    }

    @Test func theBackgroundIsDarkUnlessKnown() {
        func isLight(_ value: String?, _ choice: CapabilityChoice.Background = .auto) -> Bool {
            CapabilityChoice(background: choice).capabilities(in: value.map { ["COLORFGBG": $0] } ?? [:]).isLight
        }
        #expect(!isLight(nil) && !isLight("15;0") && !isLight("x") && !isLight("7;8"))
        #expect(isLight("0;15") && isLight("0;default;15") && isLight("0;7"))
        #expect(isLight("15;0", .light) && !isLight("0;15", .dark))
    }

    @Test func aDumbTerminalGetsText() {
        #expect(!CapabilityChoice.canDraw(["TERM": "dumb"]) && !CapabilityChoice.canDraw([:]))
        #expect(CapabilityChoice.canDraw(["TERM": "vt100"]))
    }
}
