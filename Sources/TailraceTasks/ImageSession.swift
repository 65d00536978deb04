// SPDX-License-Identifier: MIT
import CConfinement
import Glibc

/// The side without rights: opens one executable, gives up everything, and answers questions about it, a line each.
///
///     (first)              go VERSION fixed|relocatable FIRST-PAGE CODE-START-AT | other fixed|relocatable FIRST-PAGE
///     addresses START      addresses GOROUTINES SCHEDULER PROCESSORS...
///     functions OFFSET...  function ENTRY NAME FILE LINE | unknown                     (a line for each)
///     symbols NAME...      symbol ADDRESS FILE-OFFSET FIRST-BYTES SIZE | unknown       (a line for each)
///     names ADDRESS...     name NAME | unknown                                         (a line for each)
///     site NAME|@OFFSET PLUS   site FILE-OFFSET PLUS VERDICT BETTER | functions COUNT | absent COUNT NAME...
///     (any)                error CLAUSE
///
/// Words are separated by tabs, numbers are hexadecimal. Whoever asks believes nothing of the answers.
public struct ImageSession {
    /// Bytes; the tables of the largest servers are read as a whole.
    private static let memoryLimit: UInt64 = 2 << 30
    /// Seconds.
    private static let processorLimit: UInt64 = 30
    private let file: ELFFile
    private let go: GoImage?
    private let names: SymbolNames

    /// Serves `path` on the standard descriptors until the input ends. Never returns.
    public static func serve(path: String) -> Never {
        cconfinement_close_others()
        // Not waiting: it may be a pipe. Opened with the rights that are given up next.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { end("error\tit cannot be opened: \(String(cString: strerror(errno)))") }
        do throws(ImageError) {
            // The last that needs a right.
            let file = try UntrustedFile(descriptor: descriptor)
            let step = cconfinement_enter(memoryLimit, processorLimit)
            guard step == 0 else { throw ImageError("its reader could not be confined (step \(step))") }
            let session = try ImageSession(ELFFile(file))
            write(session.greeting)
            while let line = readLine() { write(session.answer(to: line)) }
            exit(0)
        } catch {
            end("error\t" + word(error.description))
        }
    }

    init(_ file: ELFFile) throws(ImageError) {
        self.file = file
        names = SymbolNames(file)
        go = if let version = try file.goVersion() { try GoImage(file, version) } else { nil }
    }

    /// The first line.
    var greeting: String {
        let kind = file.isRelocatable ? "relocatable" : "fixed"
        let page = Self.hexadecimal(file.firstPage ?? 0)
        guard let go else { return "other\t\(kind)\t\(page)" }
        return "go\t\(go.version)\t\(kind)\t\(page)\t\(Self.hexadecimal(go.codeStartAt))"
    }

    /// One question; the answer may have several lines.
    func answer(to question: String) -> String {
        let words = question.split(separator: "\t").map(String.init)
        do throws(ImageError) {
            switch words.first {
            case "addresses": return try addresses(words.dropFirst().first)
            case "functions": return words.dropFirst().map(function).joined(separator: "\n")
            case "symbols": return try symbols(Array(words.dropFirst()))
            case "names": return try words.dropFirst().map(name).joined(separator: "\n")
            case "site" where words.count == 3: return try site(words[1], plus: words[2])
            default: throw ImageError("that question is not known")
            }
        } catch {
            return "error\t" + Self.word(error.description)
        }
    }

    private func addresses(_ start: String?) throws(ImageError) -> String {
        guard let go, let start = start.flatMap({ UInt64($0, radix: 16) }) else {
            throw ImageError("it is no Go program")
        }
        let found = try go.addresses(codeStart: start)
        return (["addresses"] + ([found.goroutines, found.scheduler] + found.processors).map(Self.hexadecimal))
            .joined(separator: "\t")
    }

    private func function(_ word: String) -> String {
        guard let go, let offset = UInt32(word, radix: 16), let function = go.functions.function(at: offset) else {
            return "unknown"
        }
        let place = go.functions.place(of: offset, in: function)
        return [
            "function", Self.hexadecimal(UInt64(function.entry)), Self.word(function.name),
            Self.word(place?.file ?? ""),
            Self.hexadecimal(UInt64(place?.line ?? 0)),
        ].joined(separator: "\t")
    }

    private func symbols(_ names: [String]) throws(ImageError) -> String {
        let found = try file.symbols(named: Set(names))
        return names.map { name in
            guard let symbol = found[name] else { return "unknown" }
            let offset = file.fileOffset(of: symbol.address)
            let code = (try? file.bytes(at: symbol.address, length: 16)).flatMap { $0.bytes(at: 0, length: 16) }
            let bytes = (code ?? []).map { String(UInt16($0) + 256, radix: 16).dropFirst() }.joined()
            return [
                "symbol", Self.hexadecimal(symbol.address), Self.hexadecimal(offset ?? 0), bytes,
                Self.hexadecimal(symbol.size),
            ].joined(separator: "\t")
        }.joined(separator: "\n")
    }

    private func name(_ word: String) throws(ImageError) -> String {
        guard let address = UInt64(word, radix: 16), let name = try names.name(at: address) else { return "unknown" }
        return "name\t" + Self.word(name)
    }

    private func site(_ function: String, plus word: String) throws(ImageError) -> String {
        guard var plus = UInt64(word, radix: 16) else { throw ImageError("that question is not known") }
        let symbol: ELFFile.Symbol
        if function.first == "@" {
            guard let offset = UInt64(function.dropFirst(), radix: 16) else { throw ImageError("that is no offset") }
            let (place, isTooMuch) = offset.addingReportingOverflow(plus)
            guard !isTooMuch else { throw ImageError("that is no code") }
            guard let found = try file.function(atFileOffset: place), let begin = file.fileOffset(of: found.address)
            else {
                throw ImageError("nothing in it says where the function begins that has this byte")
            }
            (symbol, plus) = (found, place &- begin)
        } else {
            let found = try file.functions(named: function)
            guard let first = found.first else {
                let like = try file.functions(like: function, most: 3)
                return (["absent", Self.hexadecimal(UInt64(like.count))] + like.names.map(Self.word)).joined(
                    separator: "\t")
            }
            guard found.count == 1 else { return "functions\t" + Self.hexadecimal(UInt64(found.count)) }
            symbol = first
        }
        let site = try file.site(of: symbol, plus: plus, isGo: go != nil)
        return [
            "site", Self.hexadecimal(site.fileOffset), Self.hexadecimal(site.offset), site.verdict.rawValue,
            site.better.map(Self.hexadecimal) ?? "-",
        ].joined(separator: "\t")
    }

    private static func hexadecimal(_ number: UInt64) -> String { String(number, radix: 16) }

    /// Text from the file as one word of a line: it cannot end either.
    private static func word(_ text: String) -> String {
        let clean = text.utf8.map { $0 < 0x20 || $0 == 0x7f ? 0x3f : $0 }
        return clean.isEmpty ? "-" : String(decoding: clean, as: UTF8.self)
    }

    private static func write(_ answer: String) {
        var rest = Array((answer + "\n").utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            guard count > 0 else { exit(1) }
            rest = rest.dropFirst(count)
        }
    }

    private static func end(_ answer: String) -> Never {
        write(answer)
        exit(1)
    }
}
