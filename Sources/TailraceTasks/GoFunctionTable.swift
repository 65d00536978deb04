// SPDX-License-Identifier: MIT

/// `.gopclntab` of Go 1.18 and newer: the functions of a program with their names, files and lines. Its linker always
/// writes it, also where it leaves out symbols and DWARF. Checked throughout; offsets count from the begin of the code.
struct GoFunctionTable {
    struct Function {
        let entry: UInt32
        let name: String
        /// Where its record is in the table.
        fileprivate let record: Int
    }

    private let table: UntrustedBytes
    let count: Int
    private let names: Int
    private let unitFiles: Int
    private let files: Int
    private let values: Int
    private let functions: Int
    /// Where the header says where the code begins, up to Go 1.25.
    static let codeStartOffset: UInt64 = 24
    private static let mostFunctions = 8 << 20
    /// Longer tables of lines are a lie: they end with their function.
    private static let mostSteps = 1 << 20

    init(_ table: UntrustedBytes) throws(ImageError) {
        guard let magic: UInt32 = table.integer(at: 0), magic == 0xffff_fff0 || magic == 0xffff_fff1 else {
            throw ImageError("its table of functions is none of Go 1.18 or newer")
        }
        guard table.integer(UInt8.self, at: 6) == 1, table.integer(UInt8.self, at: 7) == 8 else {
            throw ImageError("its table of functions is not for x86_64")
        }
        // What is as large as the table itself points beyond it.
        let fields = (0..<8).map { table.integer(UInt64.self, at: 8 + 8 * $0).flatMap { Int(exactly: $0) } }
        func offset(_ field: Int) -> Int { fields[field].flatMap { $0 < table.count ? $0 : nil } ?? -1 }
        self.table = table
        (names, unitFiles, files, values, functions) = (offset(3), offset(4), offset(5), offset(6), offset(7))
        guard let count = fields[0], (1...Self.mostFunctions).contains(count),
            [names, unitFiles, files, values, functions].allSatisfy({ $0 >= 0 }),
            table.contains(functions, length: 8 * count + 4)
        else { throw ImageError("its table of functions is not plausible") }
        self.count = count
    }

    private func entry(_ index: Int) -> UInt32? { table.integer(at: functions + 8 * index) }

    private func record(_ index: Int) -> Int? {
        table.integer(UInt32.self, at: functions + 8 * index + 4).map { functions + Int($0) }
    }

    private func nameOffset(_ record: Int) -> Int? {
        table.integer(Int32.self, at: record + 4).flatMap { $0 < 0 ? nil : names + Int($0) }
    }

    /// The function that has the byte at `offset`.
    func function(at offset: UInt32) -> Function? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            guard let entry = entry(middle) else { return nil }
            if entry <= offset { low = middle + 1 } else { high = middle }
        }
        // `low == count`: behind the last function, whose end the table has too.
        guard low > 0, let entry = entry(low - 1), let end = self.entry(low), offset < end,
            let record = record(low - 1),
            let name = nameOffset(record).flatMap({ table.text(at: $0) })
        else { return nil }
        return Function(entry: entry, name: name, record: record)
    }

    /// Where the functions with these names begin and end; the first of each name.
    func ranges(named wanted: Set<String>) -> [String: Range<UInt32>] {
        let texts = wanted.map { (name: $0, bytes: Array($0.utf8)) }
        var found: [String: Range<UInt32>] = [:]
        for index in 0..<count where found.count < wanted.count {
            guard let record = record(index), let offset = nameOffset(record),
                let name = texts.first(where: { table.isText($0.bytes, at: offset) })?.name, found[name] == nil,
                let entry = entry(index), let end = self.entry(index + 1), entry <= end
            else { continue }
            found[name] = entry..<end
        }
        return found
    }

    /// File and line of the instruction at `offset`; where that is of another function, which was put in line here, those of its call.
    func place(of offset: UInt32, in function: Function) -> (file: String, line: Int)? {
        let own = value(column: 20, at: function.entry, of: function)
        // Code that is put in line begins behind an instruction that is its call's.
        var last: UInt32?
        let there = value(column: 20, at: offset, of: function) { file, end in if file == own { last = end &- 1 } }
        let offset = there == own ? offset : last ?? offset
        guard let file = value(column: 20, at: offset, of: function), file >= 0,
            let line = value(column: 24, at: offset, of: function), line > 0,
            let unit = table.integer(UInt32.self, at: function.record + 32),
            let name = table.integer(UInt32.self, at: unitFiles + 4 * (Int(unit) + Int(file))), name != .max,
            let text = table.text(at: files + Int(name))
        else { return nil }
        return (text, Int(line))
    }

    /// A value that changes along a function: pairs of (change of the value, length in bytes), from -1. `pass` is told of what comes before:
    /// the value, and where it ends.
    private func value(
        column: Int, at wanted: UInt32, of function: Function, pass: (Int32, UInt32) -> Void = { _, _ in }
    ) -> Int32? {
        guard let start = table.integer(UInt32.self, at: function.record + column), start > 0 else { return nil }
        var place = values + Int(start)
        var offset = UInt64(function.entry)
        var value: Int32 = -1
        for step in 0..<Self.mostSteps {
            guard let change = table.variableLength(at: &place), change != 0 || step == 0,
                let length = table.variableLength(at: &place)
            else { return nil }
            // The sign is in the lowest bit.
            value = value &+ Int32(bitPattern: change & 1 != 0 ? ~(change >> 1) : change >> 1)
            offset += UInt64(length)
            if UInt64(wanted) < offset { return value }
            pass(value, UInt32(truncatingIfNeeded: offset))
        }
        return nil
    }
}
