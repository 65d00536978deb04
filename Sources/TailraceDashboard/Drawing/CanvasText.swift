// SPDX-License-Identifier: MIT
import TailraceModel

extension Canvas {
    /// A text that fits into so many cells: what is too long is cut in its middle, because paths and addresses differ at their ends.
    func shortened(_ text: String, to room: Int, keeping tail: Int? = nil) -> String {
        let scalars = Array(Sanitizer.visible(text).unicodeScalars)
        guard scalars.count > room, room >= 5 else { return text }
        let kept = min(room - 3, tail ?? (room - 1) / 2)
        var shown = String.UnicodeScalarView()
        shown.append(contentsOf: scalars.prefix(room - 1 - kept))
        shown.append(glyphs.ellipsis)
        shown.append(contentsOf: scalars.suffix(kept))
        return String(shown)
    }

    /// A peer that fits: its port is kept, and as much as possible of the end of its address.
    func shortened(_ peer: Endpoint, to room: Int) -> String {
        let text = peer.description
        guard text.utf8.count > room else { return text }
        let port = text.utf8.reversed().prefix { $0 != 0x3a }.count + 1
        return shortened(text, to: room, keeping: port + max(2, (room - port) / 3))
    }

    /// The first of these that fits beside the title into the frame of a box.
    func note(_ choices: [String], beside title: String, in area: Area) -> String {
        let room = area.width - 4 - width(of: title) - 2 - 3
        return choices.first { width(of: $0) <= room } ?? ""
    }
}
