// SPDX-License-Identifier: MIT
import CConfinement
import Glibc

/// Names of functions by address, Swift's in their readable form. Read when the first is asked for.
final class SymbolNames {
    private let file: ELFFile
    private var functions: [(address: UInt64, size: UInt64, name: UInt32)]?
    private var texts = UntrustedBytes([])
    private static let mostSymbols = 4 << 20
    private static let function: UInt8 = 2

    init(_ file: ELFFile) { self.file = file }

    /// The function that has the byte at `address`, as the file counts; nil: none is named.
    func name(at address: UInt64) throws(ImageError) -> String? {
        let all = try load()
        var low = 0
        var high = all.count
        while low < high {
            let middle = (low + high) / 2
            if all[middle].address <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0, address - all[low - 1].address < all[low - 1].size,
            let mangled = texts.text(at: Int(all[low - 1].name))
        else { return nil }
        return SwiftName.readable(mangled)
    }

    private func load() throws(ImageError) -> [(address: UInt64, size: UInt64, name: UInt32)] {
        if let functions { return functions }
        // The full table where it is, else the exported ones.
        guard let table = file.sections.first(where: { $0.type == 2 }) ?? file.sections.first(where: { $0.type == 11 }),
            Int(table.link) < file.sections.count, table.size / 24 <= UInt64(Self.mostSymbols)
        else {
            functions = []
            return []
        }
        let entries = try file.contents(of: table)
        texts = try file.contents(of: file.sections[Int(table.link)])
        var found: [(address: UInt64, size: UInt64, name: UInt32)] = []
        for start in stride(from: 0, to: entries.count - entries.count % 24, by: 24) {
            guard let kind: UInt8 = entries.integer(at: start + 4), kind & 15 == Self.function,
                let name: UInt32 = entries.integer(at: start), let address: UInt64 = entries.integer(at: start + 8),
                let size: UInt64 = entries.integer(at: start + 16), address > 0, size > 0
            else { continue }
            found.append((address, size, name))
        }
        found.sort { $0.address < $1.address }
        functions = found
        return found
    }
}

/// Names of Swift's functions, for people.
enum SwiftName {
    private static let longest = 4096

    /// `closure #1 in main.leak`, from a mangled name; others stay as they are.
    static func readable(_ mangled: String) -> String {
        guard mangled.hasPrefix("$s") || mangled.hasPrefix("_$s"), mangled.utf8.count <= longest,
            let text = swift_demangle(mangled, mangled.utf8.count, nil, nil, 0)
        else { return mangled }
        defer { free(text) }
        return simplified(String(cString: text))
    }

    /// Code that only passes a call on.
    static let thunk = "thunk"

    /// Without types, and without what the compiler made of one function: specialized, or cut where it suspends.
    static func simplified(_ full: String) -> String {
        var text = full[...]
        while let rest = inner(of: text) { text = rest }
        if text.hasPrefix("reabstraction thunk") { return thunk }
        return text.split(separator: " in ", omittingEmptySubsequences: true).map { part in
            name(String(part))
        }.joined(separator: " in ")
    }

    /// What a description is about: "(1) suspend resume partial function for X", "generic specialization <...> of X".
    private static func inner(of text: Substring) -> Substring? {
        if text.first == "(", text.dropFirst().first?.isNumber == true {
            return text.firstRange(of: " for ").map { text[$0.upperBound...] }
        }
        for prefix in ["partial apply forwarder for ", "merged "] where text.hasPrefix(prefix) {
            return text.dropFirst(prefix.count)
        }
        guard
            text.hasPrefix("generic specialization <") || text.hasPrefix("function signature specialization <")
                || text.hasPrefix("generic not re-abstracted specialization <")
        else { return nil }
        return text.firstRange(of: "> of ").map { text[$0.upperBound...] }
    }

    /// `closure #1 @Sendable () async -> ()`: its first two words; `static main.leak(of: Swift.Int) -> ()`: up to its bracket.
    private static func name(_ part: String) -> String {
        for (kind, words) in [("closure #", 2), ("implicit closure #", 3)] where part.hasPrefix(kind) {
            return part.split(separator: " ").prefix(words).joined(separator: " ")
        }
        return String(part.prefix { $0 != "(" && $0 != "<" })
    }
}
