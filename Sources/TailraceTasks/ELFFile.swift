// SPDX-License-Identifier: MIT

/// The parts of an ELF file (64 bits, little-endian) that lead to its symbols and tables. Checked throughout.
struct ELFFile {
    struct Segment {
        let type: UInt32
        let flags: UInt32
        let offset: UInt64
        let address: UInt64
        let fileSize: UInt64
        let memorySize: UInt64

        var isLoaded: Bool { type == 1 }
        var isExecutable: Bool { flags & 1 != 0 }

        func contains(_ wanted: UInt64, length: UInt64 = 1) -> Bool {
            wanted >= address && wanted - address < memorySize && length <= memorySize - (wanted - address)
        }
    }
    struct Section {
        let name: String
        let type: UInt32
        let address: UInt64
        let offset: UInt64
        let size: UInt64
        let link: UInt32

        /// It has no bytes in the file.
        var isEmptyInFile: Bool { type == 8 }

        func contains(_ wanted: UInt64) -> Bool { wanted >= address && wanted - address < size }
    }
    struct Symbol: Equatable {
        let address: UInt64
        let size: UInt64
    }

    let file: UntrustedFile
    /// Position-independent: its addresses count from where it is loaded.
    let isRelocatable: Bool
    let segments: [Segment]
    let sections: [Section]
    static let mostSegments = 512
    static let mostSections = 16384
    private static let sectionNameLength = 128

    init(_ file: UntrustedFile) throws(ImageError) {
        self.file = file
        guard file.size >= 64 else { throw ImageError("it is no ELF file") }
        let header = try file.bytes(at: 0, length: 64)
        guard header.integer(UInt32.self, at: 0) == 0x464c_457f else { throw ImageError("it is no ELF file") }
        guard header.integer(UInt8.self, at: 4) == 2, header.integer(UInt8.self, at: 5) == 1 else {
            throw ImageError("it is not for a little-endian 64-bit machine")
        }
        guard header.integer(UInt16.self, at: 18) == 62 else { throw ImageError("it is not for x86_64") }
        switch header.integer(UInt16.self, at: 16) {
        case 2: isRelocatable = false
        case 3: isRelocatable = true
        default: throw ImageError("it is neither an executable nor a library")
        }
        segments = try Self.segments(file, header)
        sections = try Self.sections(file, header)
    }

    private static func segments(_ file: UntrustedFile, _ header: UntrustedBytes) throws(ImageError) -> [Segment] {
        guard let offset: UInt64 = header.integer(at: 32), let size: UInt16 = header.integer(at: 54),
            let count: UInt16 = header.integer(at: 56), count > 0
        else { throw ImageError("it has no segments") }
        guard size == 56, count <= mostSegments else { throw ImageError("its segments are not plausible") }
        let table = try file.bytes(at: offset, length: UInt64(size) * UInt64(count))
        return (0..<Int(count)).compactMap { index in
            let start = index * 56
            guard let type: UInt32 = table.integer(at: start), let flags: UInt32 = table.integer(at: start + 4),
                let offset: UInt64 = table.integer(at: start + 8), let address: UInt64 = table.integer(at: start + 16),
                let fileSize: UInt64 = table.integer(at: start + 32),
                let memorySize: UInt64 = table.integer(at: start + 40)
            else { return nil }
            return Segment(
                type: type, flags: flags, offset: offset, address: address, fileSize: fileSize, memorySize: memorySize)
        }
    }

    /// None is allowed: a file can do without.
    private static func sections(_ file: UntrustedFile, _ header: UntrustedBytes) throws(ImageError) -> [Section] {
        guard let offset: UInt64 = header.integer(at: 40), let size: UInt16 = header.integer(at: 58),
            let count: UInt16 = header.integer(at: 60), let names: UInt16 = header.integer(at: 62), count > 0,
            offset > 0
        else { return [] }
        guard size == 64, count <= mostSections, names < count else {
            throw ImageError("its sections are not plausible")
        }
        let table = try file.bytes(at: offset, length: UInt64(size) * UInt64(count))
        guard let namesAt: UInt64 = table.integer(at: Int(names) * 64 + 24),
            let namesSize: UInt64 = table.integer(at: Int(names) * 64 + 32), namesSize <= 16 << 20
        else { throw ImageError("its sections are not plausible") }
        let texts = try file.bytes(at: namesAt, length: namesSize)
        return (0..<Int(count)).compactMap { section(at: $0 * 64, of: table, texts) }
    }

    private static func section(at start: Int, of table: UntrustedBytes, _ texts: UntrustedBytes) -> Section? {
        guard let name: UInt32 = table.integer(at: start), let type: UInt32 = table.integer(at: start + 4),
            let address: UInt64 = table.integer(at: start + 16), let offset: UInt64 = table.integer(at: start + 24),
            let size: UInt64 = table.integer(at: start + 32), let link: UInt32 = table.integer(at: start + 40)
        else { return nil }
        return Section(
            name: texts.text(at: Int(name), longest: sectionNameLength) ?? "", type: type, address: address,
            offset: offset, size: size, link: link)
    }

    func section(_ names: String...) -> Section? {
        for name in names { if let found = sections.first(where: { $0.name == name }) { return found } }
        return nil
    }

    func contents(of section: Section) throws(ImageError) -> UntrustedBytes {
        guard !section.isEmptyInFile else { return UntrustedBytes([]) }
        return try file.bytes(at: section.offset, length: section.size)
    }

    /// Where the byte at `address` is in the file.
    func fileOffset(of address: UInt64, length: UInt64 = 1) -> UInt64? {
        guard let segment = segments.first(where: { $0.isLoaded && $0.contains(address, length: length) }),
            address - segment.address <= segment.fileSize, length <= segment.fileSize - (address - segment.address)
        else { return nil }
        let (offset, isTooMuch) = segment.offset.addingReportingOverflow(address - segment.address)
        return isTooMuch ? nil : offset
    }

    /// Bytes as they are loaded at `address`.
    func bytes(at address: UInt64, length: UInt64) throws(ImageError) -> UntrustedBytes {
        guard let offset = fileOffset(of: address, length: length) else {
            throw ImageError("it has nothing at an address that it names")
        }
        return try file.bytes(at: offset, length: length)
    }

    /// Address of the page that its first byte is loaded to.
    var firstPage: UInt64? {
        segments.first { $0.isLoaded && $0.offset < 4096 && $0.fileSize > 0 }.map { ($0.address &- $0.offset) & ~0xfff }
    }
}
