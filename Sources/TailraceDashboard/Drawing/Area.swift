// SPDX-License-Identifier: MIT

/// A rectangle of cells, zero-based. Never negative in size.
public struct Area: Equatable, Sendable {
    /// The first row.
    public var row: Int
    /// The first column.
    public var column: Int
    /// In cells, 0 or more.
    public var width: Int
    /// In cells, 0 or more.
    public var height: Int

    /// Negative sizes become 0.
    public init(row: Int, column: Int, width: Int, height: Int) {
        self.row = row
        self.column = column
        self.width = max(0, width)
        self.height = max(0, height)
    }

    /// The row behind the last one.
    public var endRow: Int { row + height }
    /// The column behind the last one.
    public var endColumn: Int { column + width }
    /// Whether nothing fits in.
    public var isEmpty: Bool { width == 0 || height == 0 }

    /// Smaller by so many cells on each side.
    public func inset(rows: Int = 0, columns: Int = 0) -> Area {
        Area(row: row + rows, column: column + columns, width: width - 2 * columns, height: height - 2 * rows)
    }

    /// Cuts rows off the top, as many as there are, and gives them.
    public mutating func takeTop(_ rows: Int) -> Area {
        let taken = max(0, min(rows, height))
        defer { self = Area(row: row + taken, column: column, width: width, height: height - taken) }
        return Area(row: row, column: column, width: width, height: taken)
    }

    /// Cuts rows off the bottom, as many as there are, and gives them.
    public mutating func takeBottom(_ rows: Int) -> Area {
        let taken = max(0, min(rows, height))
        defer { height -= taken }
        return Area(row: endRow - taken, column: column, width: width, height: taken)
    }

    /// Cuts columns off the left, as many as there are, and gives them.
    public mutating func takeLeft(_ columns: Int) -> Area {
        let taken = max(0, min(columns, width))
        defer { self = Area(row: row, column: column + taken, width: width - taken, height: height) }
        return Area(row: row, column: column, width: taken, height: height)
    }
}
