// SPDX-License-Identifier: MIT
import TailraceModel

/// A release of Go: `go1.27.3`.
struct GoVersion: Equatable, Sendable, CustomStringConvertible {
    let minor: Int
    /// As the program has it, of visible ASCII. Untrusted.
    let description: String

    /// From `go1.MINOR...`; development versions say `devel`, and are none.
    init?(_ text: String) {
        guard text.hasPrefix("go1."), let minor = Int(text.dropFirst(4).prefix { $0.isASCII && $0.isNumber }) else {
            return nil
        }
        self.minor = minor
        description = String(
            text.dropFirst(2).prefix { $0.isASCII && !$0.isWhitespace && $0 > " " && $0 < "\u{7f}" }.prefix(32))
    }
}

extension ELFFile {
    /// What `go version FILE` says; nil where no Go linker wrote it.
    func goVersion() throws(ImageError) -> GoVersion? {
        guard let section = section(".go.buildinfo") else { return nil }
        guard section.size <= 1 << 20 else { throw ImageError("its build info is not plausible") }
        let info = try contents(of: section)
        guard
            info.bytes(at: 0, length: 14).map({
                $0.elementsEqual("\u{ff} Go buildinf:".unicodeScalars.map { UInt8($0.value) })
            })
                == true, let flags: UInt8 = info.integer(at: 15)
        else { throw ImageError("its build info is not plausible") }
        // Go 1.18 and newer write the text itself.
        guard flags & 2 != 0 else { throw ImageError("it was built with a Go older than 1.18") }
        var place = 32
        guard let length = info.variableLength(at: &place), length < 4096,
            let text = info.bytes(at: place, length: Int(length))
        else { throw ImageError("its build info is not plausible") }
        let words = String(decoding: text, as: UTF8.self)
        guard let version = GoVersion(words) else {
            throw ImageError("its Go has no release: \(Sanitizer.visible(words, longest: 64))")
        }
        return version
    }
}
