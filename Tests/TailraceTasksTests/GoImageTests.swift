// SPDX-License-Identifier: MIT
import Glibc
import SeededRandom
import Testing

@testable import TailraceTasks

@Suite("executables of Go programs")
struct GoImageTests {
    @Test("functions, files and lines are found")
    func functions() throws {
        let table = try GoFunctionTable(UntrustedBytes(GoProgramMaker.functionTable()))
        let stream = try #require(table.function(at: 0x95))
        #expect(stream.name == "main.stream")
        #expect(stream.entry == 0x80)
        for (offset, line) in [(UInt32(0x80), 10), (0x8f, 10), (0x90, 12), (0xbf, 12)] {
            let place = try #require(table.place(of: offset, in: stream))
            #expect(place.file == "/src/server.go")
            #expect(place.line == line, "at \(offset)")
        }
        #expect(table.function(at: 0xc0) == nil)
        #expect(table.function(at: 0x7f)?.name == "main.main")
        #expect(table.ranges(named: ["runtime.allgadd", "none"]) == ["runtime.allgadd": 0..<0x40])
    }

    @Test("a program says its version, and a session answers")
    func session() throws {
        let scratch = try ScratchFile()
        let file = try ELFFile(UntrustedFile(descriptor: scratch.descriptor(with: GoProgramMaker.file())))
        #expect(try file.goVersion()?.description == "1.22.1")
        let symbols = try file.symbols(named: ["runtime.allgs"])
        #expect(symbols["runtime.allgs"]?.address == GoProgramMaker.base + 0x2000)
        let session = try ImageSession(file)
        let answer = session.answer(to: "functions\t90\tffff")
        #expect(answer == "function\t80\tmain.stream\t/src/server.go\tc\nunknown")
        #expect(session.answer(to: "addresses\t400000").hasPrefix("error\t"))
        #expect(session.answer(to: "nonsense").hasPrefix("error\t"))
        #expect(session.answer(to: "").hasPrefix("error\t"))
    }

    /// What liars write: the largest of a size, one off, and what points beyond the end.
    private static let lies: [UInt64] = [
        0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 47, 1 << 62, .max, .max - 7,
        UInt64(Int64.max),
    ]

    private func ask(_ bytes: [UInt8], _ scratch: ScratchFile) {
        let descriptor = scratch.descriptor(with: bytes)
        guard let file = try? ELFFile(UntrustedFile(descriptor: descriptor)), let session = try? ImageSession(file)
        else {
            return
        }
        _ = session.answer(to: "functions\t0\t40\t90\tbf\tc0\tffffffff")
        _ = session.answer(to: "addresses\t400000")
        _ = session.answer(to: "symbols\truntime.allgs\tx")
    }

    @Test("every number of the file as a lie: an error or an answer, never a trap")
    func lies() throws {
        let scratch = try ScratchFile()
        let file = GoProgramMaker.file()
        let used = (file.lastIndex { $0 != 0 } ?? 0) + 1
        for offset in stride(from: 0, to: used, by: 4) {
            for lie in Self.lies {
                var bytes = file
                for place in 0..<(lie > UInt64(UInt32.max) ? 8 : 4) where offset + place < bytes.count {
                    bytes[offset + place] = UInt8(truncatingIfNeeded: lie >> (8 * UInt64(place)))
                }
                ask(bytes, scratch)
            }
        }
    }

    @Test("damage by chance: an error or an answer, never a trap", arguments: [1, 2, 3, 4])
    func damage(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        let scratch = try ScratchFile()
        let file = GoProgramMaker.file()
        let used = (file.lastIndex { $0 != 0 } ?? 0) + 1
        for _ in 0..<500 {
            var bytes = file
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                bytes[Int.random(in: 0..<used, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            ask(bytes, scratch)
        }
    }

    @Test("no file is read that is none")
    func kinds() throws {
        let descriptor = open("/dev/null", O_RDONLY)
        defer { close(descriptor) }
        #expect(throws: ImageError.self) { try UntrustedFile(descriptor: descriptor) }
        let scratch = try ScratchFile()
        let empty = scratch.descriptor(with: [])
        #expect(throws: ImageError.self) { try ELFFile(UntrustedFile(descriptor: empty)) }
    }

    @Test("data that code refers to are found by their bytes")
    func references() {
        // mov rax, [rip+0x10]; mov rcx, [rip+0x11]; mov [rip+0x12], rdx; lea rdi, [rip-7]
        let code: [UInt8] = [
            0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0x48, 0x8b, 0x0d, 0x11, 0, 0, 0, 0x48, 0x89, 0x15, 0x12, 0, 0, 0, 0x48,
            0x8d,
            0x3d, 0xf9, 0xff, 0xff, 0xff,
        ]
        let references = CodeReferences(code: UntrustedBytes(code), at: 0x1000)
        #expect(references.all.map(\.target) == [0x1017, 0x101f, 0x1027, 0x1015])
        #expect(references.slice == 0x1017)
        #expect(references.firstAddress == 0x1015)
        #expect(references.pairs == [0x1017, 0x101f])
    }

    @Test("the reasons of each release have the numbers that its runtime gives them")
    func reasons() {
        let expected: [Int: [(Int, String)]] = [
            19: [(9, "select"), (14, "chan receive"), (15, "chan send"), (18, "semacquire"), (19, "sleep")],
            24: [
                (9, "select"), (19, "sleep"), (21, "sync.Mutex.Lock"), (24, "sync.WaitGroup.Wait"),
                (43, "select (synctest)"),
            ],
            25: [(15, "chan send"), (19, "semacquire"), (20, "sleep"), (22, "sync.Mutex.Lock"), (46, "cleanup wait")],
            27: [
                (18, "select"), (19, "chan receive"), (20, "chan send"), (13, "semacquire"), (14, "sleep"),
                (46, "cleanup wait"),
            ],
        ]
        for (minor, pairs) in expected {
            let names = GoWaitReasons.names(minor: minor)
            for (number, name) in pairs {
                #expect(number < names.count && names[number] == name, "Go 1.\(minor), \(number)")
            }
            #expect(names[2] == "IO wait")
        }
        #expect(GoRuntimeLayout(minor: 20) == nil)
        #expect(GoRuntimeLayout(minor: 28) == nil)
    }
}
