// SPDX-License-Identifier: MIT

/// A style as a terminal takes it (SGR).
struct Rendition: Hashable, Sendable {
    var isBold = false
    var isFaint = false
    var isReversed = false
    var ink: Colour?
    var ground: Colour?

    static let plain = Rendition()

    private init() {}

    init(_ style: Style, _ palette: Palette) {
        if style.isSelected, palette.selection == nil {
            // Reversed colours of all kinds side by side cannot be read.
            isReversed = true
            return
        }
        isBold = style.isBold
        isReversed = style.isReversed
        ink = palette.colour(style.ink)
        isFaint = ink == nil && !style.isReversed && (style.ink == .dim || style.ink == .frame)
        if let onGround = style.ground {
            ground = palette.colour(onGround)
            if style.ink == .plain { ink = palette.contrast(to: onGround) }
            if palette.depth == .none { isReversed.toggle() }
        }
        if style.isSelected {
            ground = palette.selection
            // Not the terminal's own: of its background we may have been told nothing.
            ink = style.ground == nil ? palette.selectedColour(style.ink) : ink ?? palette.selectedInk
        }
    }

    /// The bytes that lead from one rendition to this one; none where they are the same.
    func write(after last: Rendition, into output: inout [UInt8]) {
        guard self != last else { return }
        var codes: [String] = []
        let isLess =
            last.isBold && !isBold || last.isFaint && !isFaint || last.isReversed && !isReversed
        let from = isLess ? Rendition() : last
        if isLess { codes.append("0") }
        if isBold, !from.isBold { codes.append("1") }
        if isFaint, !from.isFaint { codes.append("2") }
        if isReversed, !from.isReversed { codes.append("7") }
        if ink != from.ink { codes.append(Self.code(ink, isGround: false)) }
        if ground != from.ground { codes.append(Self.code(ground, isGround: true)) }
        if self == Rendition() { codes = [""] }
        output.append(contentsOf: "\u{1b}[\(codes.joined(separator: ";"))m".utf8)
    }

    private static func code(_ colour: Colour?, isGround: Bool) -> String {
        let shift = isGround ? 10 : 0
        switch colour {
        case nil: return "\(39 + shift)"
        case .own(let index) where index < 8: return "\(30 + shift + Int(index))"
        case .own(let index): return "\(90 + shift + Int(index) - 8)"
        case .table(let index): return "\(38 + shift);5;\(index)"
        case .rgb(let value): return "\(38 + shift);2;\(value >> 16 & 0xff);\(value >> 8 & 0xff);\(value & 0xff)"
        }
    }
}
