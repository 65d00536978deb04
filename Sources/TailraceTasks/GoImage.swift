// SPDX-License-Identifier: MIT

/// What a Go program's file says of its runtime. Addresses are those of the file: without the place where it is loaded.
struct GoImage {
    /// Where the runtime keeps its goroutines, schedulers and processors.
    struct Addresses: Equatable {
        let goroutines: UInt64
        let scheduler: UInt64
        /// One of them is it; which, the memory tells.
        let processors: [UInt64]
    }

    let file: ELFFile
    let version: GoVersion
    let layout: GoRuntimeLayout
    let functions: GoFunctionTable
    /// Where the address is kept that the code begins at.
    let codeStartAt: UInt64

    init(_ file: ELFFile, _ version: GoVersion) throws(ImageError) {
        guard let layout = GoRuntimeLayout(minor: version.minor) else {
            throw ImageError("Go \(version) is not known; known are \(GoRuntimeLayout.known)")
        }
        var found = file.section(".gopclntab", ".data.rel.ro.gopclntab")
        if found == nil { found = try Self.tableAmongOthers(file) }
        guard let table = found else { throw ImageError("it has no section .gopclntab") }
        self.file = file
        self.version = version
        self.layout = layout
        functions = try GoFunctionTable(file.contents(of: table))
        if layout.hasCodeStartInTable {
            codeStartAt = table.address &+ GoFunctionTable.codeStartOffset
        } else {
            guard let module = file.section(".go.module"), module.size >= GoRuntimeLayout.codeStartInModule + 8 else {
                throw ImageError("it has no section .go.module")
            }
            codeStartAt = module.address &+ GoRuntimeLayout.codeStartInModule
        }
    }

    /// Another linker than Go's, as for a position-independent program with C in it, puts the table into a section of many things.
    private static func tableAmongOthers(_ file: ELFFile) throws(ImageError) -> ELFFile.Section? {
        for section in file.sections where [".data.rel.ro", ".rodata"].contains(section.name) {
            let content = try file.contents(of: section)
            for place in stride(from: 0, to: content.count - 72, by: 8) {
                // One byte an instruction, eight a pointer.
                guard let magic: UInt64 = content.integer(at: place),
                    magic == 0x0801_0000_ffff_fff1 || magic == 0x0801_0000_ffff_fff0
                else { continue }
                let found = ELFFile.Section(
                    name: section.name, type: section.type, address: section.address &+ UInt64(place),
                    offset: section.offset &+ UInt64(place), size: section.size - UInt64(place), link: section.link)
                if let table = try? GoFunctionTable(file.contents(of: found)), table.count >= fewestFunctions {
                    return found
                }
            }
        }
        return nil
    }

    /// Every program has its runtime.
    private static let fewestFunctions = 100

    /// From the symbols, or else from the code of functions that use them. `codeStart`: where the code begins.
    func addresses(codeStart: UInt64) throws(ImageError) -> Addresses {
        let names = (goroutines: "runtime.allgs", scheduler: "runtime.sched", processors: "runtime.allp")
        let symbols = try file.symbols(named: [names.goroutines, names.scheduler, names.processors])
        if let goroutines = symbols[names.goroutines], let scheduler = symbols[names.scheduler],
            let processors = symbols[names.processors]
        {
            return Addresses(
                goroutines: goroutines.address, scheduler: scheduler.address, processors: [processors.address])
        }
        let users = (add: "runtime.allgadd", put: "runtime.gfput", retake: "runtime.retake")
        let ranges = functions.ranges(named: [users.add, users.put, users.retake])
        let variables = file.sections.filter { $0.name == ".bss" || $0.name == ".noptrbss" }
        let processors = try references(ranges[users.retake], codeStart).pairs.filter { address in
            variables.contains { $0.contains(address) }
        }
        guard let goroutines = try references(ranges[users.add], codeStart).slice,
            let lock = try references(ranges[users.put], codeStart).firstAddress, !processors.isEmpty
        else { throw ImageError("it is stripped, and the code of its runtime is not as expected") }
        return Addresses(
            goroutines: goroutines, scheduler: lock &- UInt64(layout.scheduler.freeLock),
            processors: Array(processors.prefix(16)))
    }

    private func references(_ range: Range<UInt32>?, _ codeStart: UInt64) throws(ImageError) -> CodeReferences {
        guard let range, range.count <= 1 << 16 else {
            throw ImageError("it lacks a function that every Go program has")
        }
        let address = codeStart &+ UInt64(range.lowerBound)
        return CodeReferences(code: try file.bytes(at: address, length: UInt64(range.count)), at: address)
    }
}
