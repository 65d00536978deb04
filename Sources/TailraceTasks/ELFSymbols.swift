// SPDX-License-Identifier: MIT

extension ELFFile {
    /// More symbols than any server has.
    private static let mostSymbols = 8 << 20

    /// The symbols of these names that are defined: from `.symtab`, or else from the exported ones.
    func symbols(named wanted: Set<String>) throws(ImageError) -> [String: Symbol] {
        var found: [String: Symbol] = [:]
        for table in sections where table.type == 2 || table.type == 11 {
            try add(symbols: wanted, of: table, to: &found)
            if found.count == wanted.count { break }
        }
        return found
    }

    private func add(symbols wanted: Set<String>, of table: Section, to found: inout [String: Symbol])
        throws(ImageError)
    {
        guard Int(table.link) < sections.count, table.size / 24 <= UInt64(Self.mostSymbols) else {
            throw ImageError("its table of symbols is not plausible")
        }
        let entries = try contents(of: table)
        let texts = try contents(of: sections[Int(table.link)])
        let names = wanted.map { (name: $0, bytes: Array($0.utf8)) }
        for start in stride(from: 0, to: entries.count - entries.count % 24, by: 24) {
            guard let text: UInt32 = entries.integer(at: start), text > 0,
                let name = names.first(where: { texts.isText($0.bytes, at: Int(text)) })?.name,
                let section: UInt16 = entries.integer(at: start + 6), section != 0,
                let address: UInt64 = entries.integer(at: start + 8), let size: UInt64 = entries.integer(at: start + 16)
            else { continue }
            found[name] = found[name] ?? Symbol(address: address, size: size)
        }
    }
}
