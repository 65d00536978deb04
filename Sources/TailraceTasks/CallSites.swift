// SPDX-License-Identifier: MIT
import Glibc

/// An instruction of a function, and what a probe in its place would cost.
struct CodeSite: Equatable {
    enum Verdict: String {
        /// The kernel does its work: about a microsecond.
        case emulated
        /// It is executed in single steps: ten microseconds.
        case stepped
        /// The kernel hooks none of its kind.
        case refused
        /// It is in the middle of an instruction: a probe there would break the program.
        case inside
        /// Where its instructions begin is not known.
        case unknown
    }
    let fileOffset: UInt64
    /// From the function's begin.
    let offset: UInt64
    let verdict: Verdict
    /// From the function's begin: the first emulated instruction that each call passes once.
    let better: UInt64?
}

extension ELFFile {
    private static let mostSymbols = 8 << 20
    /// Of a function's code that is looked at.
    private static let longestWalk: UInt64 = 1 << 20
    /// Of a function whose end is not known.
    private static let usualLength: UInt64 = 4096
    /// Beyond that no instruction is offered: calls may end before.
    private static let furthest: UInt64 = 64

    /// Functions of that name, one for each address.
    func functions(named wanted: String) throws(ImageError) -> [Symbol] {
        var found: [UInt64: Symbol] = [:]
        let name = Array(wanted.utf8)
        try forEachFunction { texts, text, symbol in
            if texts.isText(name, at: text) { found[symbol.address] = found[symbol.address] ?? symbol }
        }
        return found.values.sorted { $0.address < $1.address }
    }

    /// Names of functions that have `part` in them, no more than `most`; and how many functions there are.
    func functions(like part: String, most: Int) throws(ImageError) -> (names: [String], count: Int) {
        var (names, count): ([String], Int) = ([], 0)
        let wanted = Array(part.utf8)
        try forEachFunction { texts, text, _ in
            count += 1
            guard names.count < most, texts.hasText(with: wanted, at: text),
                let name = texts.text(at: text, longest: 200),
                !names.contains(name)
            else { return }
            names.append(name)
        }
        return (names, count)
    }

    private func forEachFunction(_ take: (UntrustedBytes, Int, Symbol) -> Void) throws(ImageError) {
        for table in sections where table.type == 2 || table.type == 11 {
            guard Int(table.link) < sections.count, table.size / 24 <= UInt64(Self.mostSymbols) else {
                throw ImageError("its table of symbols is not plausible")
            }
            let entries = try contents(of: table)
            let texts = try contents(of: sections[Int(table.link)])
            for start in stride(from: 0, to: entries.count - entries.count % 24, by: 24) {
                guard let kind: UInt8 = entries.integer(at: start + 4), kind & 15 == 2,
                    let section: UInt16 = entries.integer(at: start + 6), section != 0,
                    let text: UInt32 = entries.integer(at: start), text > 0,
                    let address: UInt64 = entries.integer(at: start + 8),
                    let size: UInt64 = entries.integer(at: start + 16)
                else { continue }
                take(texts, Int(text), Symbol(address: address, size: size))
            }
        }
    }

    /// The instruction `plus` bytes behind a function's begin.
    func site(of function: Symbol, plus: UInt64, isGo: Bool) throws(ImageError) -> CodeSite {
        let length = function.size > 0 ? min(function.size, Self.longestWalk) : Self.usualLength
        guard plus < length else {
            throw ImageError("that is \(plus) bytes behind the function's begin, and beyond its end")
        }
        guard let segment = segments.first(where: { $0.isLoaded && $0.isExecutable && $0.contains(function.address) }),
            let offset = fileOffset(of: function.address)
        else { throw ImageError("that is no code") }
        let (place, isTooMuch) = offset.addingReportingOverflow(plus)
        guard !isTooMuch, offset <= UInt64(file.size) else { throw ImageError("it points beyond its end") }
        let behind = function.address - segment.address
        guard behind < segment.fileSize, plus < segment.fileSize - behind else { throw ImageError("that is no code") }
        let code = try file.bytes(
            at: offset, length: min(length, segment.fileSize - behind, UInt64(file.size) - offset))
        return CodeSite(
            fileOffset: place, offset: plus, verdict: Self.verdict(code, at: Int(plus)),
            better: Self.better(code, isGo: isGo).map(UInt64.init))
    }

    private static func verdict(_ code: UntrustedBytes, at wanted: Int) -> CodeSite.Verdict {
        var place = 0
        while let instruction = Instruction(code, at: place) {
            if place == wanted {
                return instruction.isRefused ? .refused : instruction.isEmulated ? .emulated : .stepped
            }
            place += instruction.length
            if place > wanted { return .inside }
        }
        return .unknown
    }

    /// Go's functions look first whether their stack has room, and begin again once it has: behind that look each call passes
    /// once.
    private static func better(_ code: UntrustedBytes, isGo: Bool) -> Int? {
        var place = 0
        var isFirstBranch = true
        while place < furthest, let instruction = Instruction(code, at: place) {
            let next = place + instruction.length
            let isLook = isGo && isFirstBranch && instruction.isBranch
            if instruction.isEmulated, !isLook { return place }
            if isLook { return Instruction(code, at: next)?.isEmulated == true ? next : place }
            if instruction.isBranch { return nil }
            isFirstBranch = isFirstBranch && !instruction.isBranch
            place = next
        }
        return nil
    }

    /// The function that has the byte at `offset` of the file, by its symbol or else by where unwinding says that it begins.
    func function(atFileOffset offset: UInt64) throws(ImageError) -> Symbol? {
        guard
            let segment = segments.first(where: {
                $0.isLoaded && $0.isExecutable && offset >= $0.offset && offset - $0.offset < $0.fileSize
            })
        else { throw ImageError("that is no code") }
        let address = segment.address &+ (offset - segment.offset)
        var found: Symbol?
        try forEachFunction { _, _, symbol in
            if symbol.address <= address, address - symbol.address < symbol.size { found = found ?? symbol }
        }
        if let found { return found }
        guard let begin = try unwoundFunction(at: address) else { return nil }
        return Symbol(address: begin, size: address - begin + 16)
    }

    /// Where the function begins that has the code at `address`: from the table that is searched when an exception unwinds.
    private func unwoundFunction(at address: UInt64) throws(ImageError) -> UInt64? {
        guard let segment = segments.first(where: { $0.type == 0x6474_e550 }), segment.fileSize <= 64 << 20 else {
            return nil
        }
        let table = try file.bytes(at: segment.offset, length: segment.fileSize)
        // Version 1; a pointer of 4 bytes, a count of 4, and a table of pairs relative to itself.
        guard table.integer(UInt8.self, at: 0) == 1, let first: UInt8 = table.integer(at: 1), first & 15 == 11,
            table.integer(UInt8.self, at: 2) == 3, table.integer(UInt8.self, at: 3) == 0x3b,
            let count: UInt32 = table.integer(at: 8)
        else { return nil }
        func begin(_ index: Int) -> UInt64? {
            table.integer(Int32.self, at: 12 + 8 * index).map { segment.address &+ UInt64(bitPattern: Int64($0)) }
        }
        var (low, high) = (0, min(Int(count), max(0, table.count - 12) / 8))
        while low < high {
            let middle = (low + high) / 2
            guard let begin = begin(middle) else { return nil }
            if begin <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0, let found = begin(low - 1), found <= address, address - found < Self.longestWalk else {
            return nil
        }
        return found
    }
}
