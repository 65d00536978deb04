// SPDX-License-Identifier: MIT

extension Canvas {
    /// Rows of a heat map that fit into so many rows of cells: two each where half blocks can have two colours.
    public func heatRows(_ height: Int) -> Int { height * (isHalved ? 2 : 1) }

    /// Densities as colour and as shade, so that copied text and a terminal without colours say the same.
    ///
    /// - Parameters:
    ///   - cells: rows from the top (`heatRows`), in each the columns from the left; 0 (nothing) ... 1 (densest). NaN is nothing.
    ///   - area: where; what goes beyond is not drawn.
    public mutating func heat(_ cells: [[Double]], in area: Area) {
        let perCell = isHalved ? 2 : 1
        for row in 0..<area.height {
            for column in 0..<area.width {
                let top = Self.level(cells, row * perCell, column)
                let bottom = perCell == 2 ? Self.level(cells, row * perCell + 1, column) : top
                guard let cell = heatCell(top, bottom) else { continue }
                set(cell, row: area.row + row, column: area.column + column)
            }
        }
    }

    private var isHalved: Bool { capabilities.colours >= .palette256 && capabilities.tier != .ascii }

    /// nil: nothing; otherwise 0...15.
    private static func level(_ cells: [[Double]], _ row: Int, _ column: Int) -> Int? {
        guard row < cells.count, column < cells[row].count else { return nil }
        let value = cells[row][column]
        guard value > 0 else { return nil }
        return min(15, Int((value * 15).rounded()))
    }

    private func heatCell(_ top: Int?, _ bottom: Int?) -> Cell? {
        switch (top, bottom) {
        case (nil, nil): return nil
        case let (top?, nil): return Cell("▀", style: Style(.heat(top)))
        case let (nil, bottom?): return Cell("▄", style: Style(.heat(bottom)))
        case let (top?, bottom?) where top != bottom:
            let (sign, ink, ground): (Unicode.Scalar, Int, Int) =
                top > bottom ? ("▀", top, bottom) : ("▄", bottom, top)
            return Cell(sign, style: Style(.heat(ink), ground: .heat(ground)))
        case let (level?, _):
            // Shade and ground of one colour: seen as an area, copied as a shade.
            let ground: Ink? = isHalved ? .heat(level) : nil
            return Cell(Self.shade(level, capabilities.tier), style: Style(.heat(level), ground: ground))
        }
    }

    private static func shade(_ level: Int, _ tier: GlyphTier) -> Unicode.Scalar {
        let shades: [Unicode.Scalar] = tier == .ascii ? [".", ":", "+", "#"] : ["░", "▒", "▓", "█"]
        return shades[level / 4]
    }
}
