// SPDX-License-Identifier: MIT
import Glibc
import Testing

@testable import TailraceTasks

/// Little-endian bytes, piece by piece.
struct ByteMaker {
    var bytes: [UInt8] = []

    mutating func add<Integer: FixedWidthInteger>(_ value: Integer) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func add(text: String) { bytes += Array(text.utf8) + [0] }

    mutating func set<Integer: FixedWidthInteger>(_ value: Integer, at offset: Int) {
        withUnsafeBytes(of: value.littleEndian) { bytes.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }
}

/// A small program as Go's linker would write it: three functions, one file, one symbol.
enum GoProgramMaker {
    static let functions = [("runtime.allgadd", UInt32(0)), ("main.main", 0x40), ("main.stream", 0x80)]
    static let end: UInt32 = 0xc0
    static let base: UInt64 = 0x40_0000

    /// The line of `main.stream` changes from 10 to 12 behind its first 16 bytes.
    static func functionTable() -> [UInt8] {
        var table = ByteMaker()
        table.add(UInt32(0xffff_fff1))
        table.bytes += [0, 0, 1, 8]
        for _ in 0..<8 { table.add(UInt64(0)) }
        func mark(_ field: Int, _ value: Int) { table.set(UInt64(value), at: 8 + 8 * field) }
        mark(0, functions.count)
        mark(1, 1)
        mark(2, Int(base))
        mark(3, table.bytes.count)
        var names: [Int32] = []
        for (name, _) in functions {
            names.append(Int32(table.bytes.count - 72))
            table.add(text: name)
        }
        mark(4, table.bytes.count)
        table.add(UInt32(0))
        mark(5, table.bytes.count)
        table.add(text: "/src/server.go")
        mark(6, table.bytes.count)
        // Nothing at 0; files at 1: always 0; lines at 4: 10, then 12.
        table.bytes += [0, 2, 0x40, 0, 22, 16, 4, 0x30, 0]
        mark(7, table.bytes.count)
        for place in functions.indices {
            table.add(functions[place].1)
            table.add(UInt32(8 * functions.count + 4 + 40 * place))
        }
        table.add(end)
        for place in functions.indices {
            table.add(functions[place].1)
            table.add(names[place])
            for value: UInt32 in [0, 0, 0, 1, 4, 0, 0, 0] { table.add(value) }
        }
        return table.bytes
    }

    private static func buildInfo() -> [UInt8] {
        var info = ByteMaker()
        info.bytes = [0xff] + Array(" Go buildinf:".utf8) + [8, 2] + [UInt8](repeating: 0, count: 16)
        info.bytes += [8] + Array("go1.22.1".utf8)
        return info.bytes
    }

    /// The whole file.
    static func file() -> [UInt8] {
        var symbols = ByteMaker()
        symbols.bytes = [UInt8](repeating: 0, count: 24)
        symbols.add(UInt32(1))
        symbols.bytes += [1, 0]
        symbols.add(UInt16(1))
        symbols.add(base + 0x2000)
        symbols.add(UInt64(24))
        let names = "\0.gopclntab\0.go.buildinfo\0.symtab\0.strtab\0.shstrtab\0"
        let parts: [(name: String, type: UInt32, link: UInt32, bytes: [UInt8])] = [
            (".gopclntab", 1, 0, functionTable()), (".go.buildinfo", 1, 0, buildInfo()),
            (".symtab", 2, 4, symbols.bytes),
            (".strtab", 3, 0, Array("\0runtime.allgs\0".utf8)), (".shstrtab", 3, 0, Array(names.utf8)),
        ]
        var file = ByteMaker()
        file.bytes = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 57)
        for (offset, value): (Int, UInt16) in [(16, 2), (18, 62), (54, 56), (56, 1), (58, 64), (60, 6), (62, 5)] {
            file.set(value, at: offset)
        }
        file.set(UInt64(64), at: 32)
        for value: UInt32 in [1, 5] { file.add(value) }
        for value: UInt64 in [0, base, base, 0x3000, 0x3000, 0x1000] { file.add(value) }
        var headers = ByteMaker()
        headers.bytes = [UInt8](repeating: 0, count: 64)
        for part in parts {
            let name = names.utf8.firstPlace(of: Array(part.name.utf8)) ?? 0
            headers.add(UInt32(name))
            headers.add(part.type)
            for value in [0, base + UInt64(file.bytes.count), UInt64(file.bytes.count), UInt64(part.bytes.count)] {
                headers.add(value)
            }
            headers.add(part.link)
            headers.bytes += [UInt8](repeating: 0, count: 20)
            file.bytes += part.bytes
        }
        file.set(UInt64(file.bytes.count), at: 40)
        file.bytes += headers.bytes
        file.bytes += [UInt8](repeating: 0, count: max(0, 0x3000 - file.bytes.count))
        return file.bytes
    }
}

extension Sequence<UInt8> {
    func firstPlace(of wanted: [UInt8]) -> Int? {
        let bytes = Array(self)
        return bytes.indices.first { bytes[$0...].starts(with: wanted) }
    }
}

/// A file that is gone when it is closed, and may have one content after the other.
final class ScratchFile {
    private let stream: UnsafeMutablePointer<FILE>

    init() throws { stream = try #require(tmpfile()) }

    deinit { fclose(stream) }

    /// Its descriptor, once its content is `bytes`.
    func descriptor(with bytes: [UInt8]) -> Int32 {
        ftruncate(fileno(stream), off_t(bytes.count))
        _ = bytes.withUnsafeBytes { pwrite(fileno(stream), $0.baseAddress, $0.count, 0) }
        return fileno(stream)
    }
}
