// SPDX-License-Identifier: MIT
import TailraceModel

/// A text as cells of one row: cleaned, measured, cut.
struct CellLine {
    private(set) var cells: [Cell] = []
    /// Whether there was more.
    private(set) var isCut = false

    /// - Parameters:
    ///   - text: may come from outside.
    ///   - style: of every cell.
    ///   - tier: characters beyond it are replaced.
    ///   - longest: cells.
    init(_ text: String, style: Style, tier: GlyphTier, longest: Int) {
        for scalar in Sanitizer.visible(text).unicodeScalars {
            if !add(scalar, style: style, tier: tier, longest: longest) {
                isCut = true
                break
            }
        }
    }

    /// False: it does not fit in.
    private mutating func add(_ scalar: Unicode.Scalar, style: Style, tier: GlyphTier, longest: Int) -> Bool {
        if scalar.isASCII {
            guard cells.count < longest else { return false }
            cells.append(Cell(ascii: UInt8(scalar.value), style: style))
            return true
        }
        if tier == .full { return add(scalar, style: style, longest: longest) }
        return add(substituteFor: scalar, tier, style: style, longest: longest)
    }

    /// Replaces the last cell by the sign that something was cut.
    mutating func mark(_ ellipsis: Unicode.Scalar, style: Style, within longest: Int) {
        while cells.count >= longest, let last = cells.popLast() {
            if last.isContinuation { cells.removeLast() }
        }
        cells.append(Cell(ellipsis, style: style))
    }

    private mutating func add(_ scalar: Unicode.Scalar, style: Style, longest: Int) -> Bool {
        switch CellWidth.kind(scalar) {
        case .dropped: return true
        case .combining:
            let last = cells.last?.isContinuation == true ? cells.count - 2 : cells.count - 1
            guard last >= 0 else { return true }
            cells[last].append(scalar)
            cells[last].isDoubtful = true
            return true
        case .narrow, .unknown:
            guard cells.count < longest else { return false }
            let shown = CellWidth.kind(scalar) == .unknown ? "?" : scalar
            cells.append(Cell(shown, style: style, isDoubtful: CellWidth.isDoubtful(shown)))
            return true
        case .wide:
            guard cells.count + 2 <= longest else { return false }
            var cell = Cell(scalar, style: style, isDoubtful: true)
            cell.isWide = true
            cells.append(cell)
            cells.append(.continuation(style))
            return true
        }
    }

    private mutating func add(
        substituteFor scalar: Unicode.Scalar, _ tier: GlyphTier, style: Style, longest: Int
    ) -> Bool {
        switch CellWidth.kind(scalar) {
        case .dropped, .combining: return true
        default: break
        }
        guard cells.count < longest else { return false }
        cells.append(Cell(Glyphs.substitute(for: scalar, in: tier), style: style))
        return true
    }
}
