// SPDX-License-Identifier: MIT

/// Dots finer than cells: braille has two by four in one; other fonts get one sign for each cell.
struct DotField {
    let area: Area
    /// Dots side by side.
    let width: Int
    /// Dots one above the other.
    let height: Int
    private let isFine: Bool
    private var masks: [UInt8]
    private var styles: [Style]
    private var signs: [Unicode.Scalar]

    init(_ area: Area, tier: GlyphTier) {
        self.area = area
        isFine = tier == .full
        width = area.width * (isFine ? 2 : 1)
        height = area.height * (isFine ? 4 : 1)
        masks = Array(repeating: 0, count: area.width * area.height)
        styles = Array(repeating: .plain, count: masks.count)
        signs = Array(repeating: " ", count: masks.count)
    }

    /// Sets a dot, counted from the top left; one outside is ignored.
    mutating func set(_ x: Int, _ y: Int, style: Style, sign: Unicode.Scalar) {
        guard x >= 0, x < width, y >= 0, y < height else { return }
        let cell = isFine ? (y / 4) * area.width + x / 2 : y * area.width + x
        masks[cell] |= isFine ? Self.bits[y % 4][x % 2] : 1
        styles[cell] = style
        signs[cell] = sign
    }

    func draw(on canvas: inout Canvas) {
        for cell in masks.indices where masks[cell] != 0 {
            let scalar = isFine ? Unicode.Scalar(0x2800 + UInt32(masks[cell])) ?? " " : signs[cell]
            canvas.set(
                Cell(scalar, style: styles[cell]), row: area.row + cell / area.width,
                column: area.column + cell % area.width)
        }
    }

    private static let bits: [[UInt8]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]
}
