// SPDX-License-Identifier: MIT
@testable import TailraceDashboard

/// A terminal of our own for tests: takes bytes, holds cells. What it does not know is a failure.
struct ScreenModel {
    struct Place: Equatable {
        var text = " "
        var rendition = "0"
    }
    let columns: Int
    let rows: Int
    private(set) var places: [Place]
    private(set) var refused: [String] = []
    private var row = 0
    private var column = 0
    private var attributes: [String: String] = [:]
    private(set) var isSynchronized = false

    init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
        places = Array(repeating: Place(), count: columns * rows)
    }

    mutating func take(_ bytes: [UInt8]) {
        var scalars = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            guard scalar == "\u{1b}" else {
                put(scalar)
                continue
            }
            guard scalars.popFirst() == "[" else {
                refused.append("ESC")
                continue
            }
            var parameters = ""
            while let next = scalars.popFirst() {
                if (0x40..<0x7f).contains(next.value) {
                    control(parameters, next)
                    break
                }
                parameters.unicodeScalars.append(next)
            }
        }
    }

    private mutating func control(_ parameters: String, _ end: Unicode.Scalar) {
        let numbers = parameters.split(separator: ";", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        switch (parameters, end) {
        case ("?2026", "h"): isSynchronized = true
        case ("?2026", "l"): isSynchronized = false
        case ("2", "J"): places = Array(repeating: Place(), count: places.count)
        case (_, "H"): (row, column) = (numbers[0] - 1, numbers[1] - 1)
        case (_, "C"): column += max(1, numbers.first ?? 1)
        case (_, "m"): render(numbers)
        default: refused.append(parameters + String(end))
        }
        if row < 0 || row >= rows || column < 0 || column > columns { refused.append("moved to \(row), \(column)") }
    }

    private mutating func render(_ numbers: [Int]) {
        var rest = numbers[...]
        if rest.isEmpty { attributes = [:] }
        while let number = rest.popFirst() {
            switch number {
            case 0: attributes = [:]
            case 1, 2, 7: attributes["\(number)"] = "on"
            case 38, 48:
                let count = rest.first == 5 ? 2 : 4
                attributes["\(number)"] = rest.prefix(count).map(String.init).joined(separator: ";")
                rest = rest.dropFirst(count)
            case 39, 49: attributes["\(number - 1)"] = nil
            case 30...37, 90...97: attributes["38"] = "\(number)"
            case 40...47, 100...107: attributes["48"] = "\(number - 10)"
            default: refused.append("\(number)m")
            }
        }
    }

    private var rendition: String {
        attributes.isEmpty
            ? "0" : attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }

    private mutating func put(_ scalar: Unicode.Scalar) {
        let place = row * columns + column
        switch CellWidth.kind(scalar) {
        case .combining:
            let head = places[place - 1].text.isEmpty ? place - 2 : place - 1
            places[head].text.unicodeScalars.append(scalar)
        case .narrow, .wide:
            let isWide = CellWidth.kind(scalar) == .wide
            guard column + (isWide ? 2 : 1) <= columns else { return refused.append("beyond the edge") }
            // What was half covered by a wide character goes.
            if places[place].text.isEmpty { places[place - 1] = Place() }
            places[place] = Place(text: String(scalar), rendition: rendition)
            if isWide { places[place + 1] = Place(text: "", rendition: rendition) }
            column += isWide ? 2 : 1
            let after = row * columns + column
            if column < columns, places[after].text.isEmpty { places[after] = Place() }
        case .dropped, .unknown: refused.append("U+\(String(scalar.value, radix: 16))")
        }
    }

    /// What a canvas should look like.
    static func expected(_ canvas: Canvas) -> [Place] {
        let palette = Palette(canvas.capabilities)
        return canvas.cells.map { cell in
            var model = ScreenModel(columns: 2, rows: 1)
            var bytes: [UInt8] = []
            Rendition(cell.style, palette).write(after: .plain, into: &bytes)
            model.take(bytes)
            bytes = []
            cell.write(into: &bytes)
            return Place(text: String(decoding: bytes, as: UTF8.self), rendition: model.rendition)
        }
    }
}
