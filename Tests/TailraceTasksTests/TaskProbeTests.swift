// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel
import Testing

@testable import TailraceTasks

@Suite("Tasks by two functions")
struct TaskProbeTests {
    @Test("a pair is two places, in either order")
    func pair() throws {
        let probe = try #require(TaskProbe("close=/usr/lib/lib:a.so.1:main.(*T).end+0x10,open=exe:begin,open2"))
        #expect(probe.close.image == "/usr/lib/lib:a.so.1")
        #expect(probe.close.symbol == "main.(*T).end")
        #expect(probe.close.offset == 16)
        // A name may have a comma.
        #expect(probe.open.symbol == "begin,open2")
        #expect(probe.open.description == "exe:begin,open2")
        #expect(TaskProbe("open=exe:0x1f40+4,close=lib:x")?.open.fileOffset == 0x1f40)
    }

    @Test(
        "what is no pair",
        arguments: [
            "", "open=exe:a", "open=exe:a,open=exe:b", "open=exe:a,close=b", "open=exe:a,close=:b",
            "open=exe:,close=exe:b",
            "open=exe:a+,close=exe:b", "open=exe:a+0x,close=exe:b", "open=exe:0xzz,close=exe:b", "x=exe:a,close=exe:b",
            "open=exe:a\tb,close=exe:b", "open=exe:@1,close=exe:b", "open=exe:a+99999999,close=exe:b",
            "open=exe:a,close=exe:b,close=exe:c", "open=exe:a\nsymbols,close=exe:b",
        ])
    func none(text: String) { #expect(TaskProbe(text) == nil) }

    @Test("a session finds the site of a function, and says what is wrong with one")
    func sites() throws {
        let scratch = try ScratchFile()
        let session = try ImageSession(
            ELFFile(UntrustedFile(descriptor: scratch.descriptor(with: ProgramWithSymbol.file()))))
        // sub $8, %rsp; push %rbp; ret
        #expect(session.answer(to: "site\tbegin\t0") == "site\t78\t0\tstepped\t4")
        #expect(session.answer(to: "site\tbegin\t4") == "site\t7c\t4\temulated\t4")
        #expect(session.answer(to: "site\tbegin\t2") == "site\t7a\t2\tinside\t4")
        #expect(session.answer(to: "site\tbegin\t6").hasPrefix("error\t"))
        #expect(session.answer(to: "site\t@7c\t0") == "site\t7c\t4\temulated\t4")
        #expect(session.answer(to: "site\t@4\t0").hasPrefix("error\t"))
        #expect(session.answer(to: "site\tbeg\t0") == "absent\t1\tbegin")
        #expect(session.answer(to: "site\tnone\t0") == "absent\t1")
    }
}

/// One segment with one function, named by one symbol.
private enum ProgramWithSymbol {
    static func file() -> [UInt8] {
        let code: [UInt8] = [0x48, 0x83, 0xec, 0x08, 0x55, 0xc3, 0, 0]
        let (base, codeAt) = (UInt64(0x40_0000), 64 + 56)
        var symbols = ByteMaker()
        symbols.bytes = [UInt8](repeating: 0, count: 24)
        symbols.add(UInt32(1))
        symbols.bytes += [0x12, 0]
        symbols.add(UInt16(1))
        symbols.add(base + UInt64(codeAt))
        symbols.add(UInt64(6))
        var file = ByteMaker()
        file.bytes = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 57)
        for (offset, value): (Int, UInt16) in [(16, 2), (18, 62), (54, 56), (56, 1), (58, 64), (60, 3), (62, 2)] {
            file.set(value, at: offset)
        }
        file.set(UInt64(64), at: 32)
        for value: UInt32 in [1, 5] { file.add(value) }
        for value: UInt64 in [0, base, base, 0x1000, 0x1000, 0x1000] { file.add(value) }
        file.bytes += code
        var headers = ByteMaker()
        headers.bytes = [UInt8](repeating: 0, count: 64)
        for (type, link, bytes): (UInt32, UInt32, [UInt8]) in [(2, 2, symbols.bytes), (3, 0, Array("\0begin\0".utf8))] {
            headers.add(UInt32(0))
            headers.add(type)
            for value in [0, 0, UInt64(file.bytes.count), UInt64(bytes.count)] { headers.add(value) }
            headers.add(link)
            headers.bytes += [UInt8](repeating: 0, count: 20)
            file.bytes += bytes
        }
        file.set(UInt64(file.bytes.count), at: 40)
        file.bytes += headers.bytes
        return file.bytes + [UInt8](repeating: 0, count: 0x1000 - file.bytes.count)
    }
}

@Suite("Who tells of a process's tasks")
struct GaugedProcessTests {
    /// Takes its time with each count.
    private final class Dear: TaskProvider {
        static let name = "dear"
        var remark: String? { nil }
        private var counts = 0

        func count() throws(TaskError) -> Int {
            var (begin, now) = (timespec(), timespec())
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin)
            repeat {
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
            } while now.tv_nsec - begin.tv_nsec < 4_000_000
                && now.tv_sec == begin.tv_sec
            counts += 1
            return counts
        }

        func groups() throws(TaskError) -> [TaskGroup] { [] }
    }

    @Test("one whose readings are dear is read seldom, one whose are cheap as often as it is asked")
    func share() {
        let dear = TaskProviderKind("dear") { _ throws(TaskError) in Dear() }
        let none = TaskProviderKind("none") { _ throws(TaskError) in throw TaskError(.failed, "it has none") }
        var failed: [String] = []
        var process = GaugedProcess(pid: getpid(), kinds: [dear, none, .threads]) { kind, _ in failed.append(kind.name)
        }
        #expect(failed == ["none"])
        #expect(process.count == 2)
        var told: [String: Int] = [:]
        let end = monotonic() + 400_000_000
        while monotonic() < end {
            let outcome = process.read(all: process.count) { provider, open, _ in
                #expect(open != nil)
                told[provider, default: 0] += 1
            }
            guard case .told = outcome else {
                Issue.record("\(outcome)")
                return
            }
            usleep(5_000)
        }
        // 4 ms of 200 * 2 times as much.
        #expect(told["dear"] == 1)
        #expect(told["threads"] ?? 0 > 1)
    }

    @Test("what one that fails said is taken back")
    func failing() {
        let threads = TaskProviderKind.threads
        let child = UnsafeMutablePointer<pid_t>.allocate(capacity: 1)
        defer { child.deallocate() }
        var words: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("60"), nil]
        defer { words.forEach { free($0) } }
        guard posix_spawnp(child, "sleep", nil, nil, &words, environ) == 0 else {
            Issue.record("sleep does not start")
            return
        }
        var process = GaugedProcess(pid: child.pointee, kinds: [threads]) { _, _ in }
        var told: [Int?] = []
        _ = process.read(all: 1) { _, open, _ in told.append(open) }
        kill(child.pointee, SIGKILL)
        waitpid(child.pointee, nil, 0)
        usleep(60_000)
        let outcome = process.read(all: 1) { _, open, _ in told.append(open) }
        #expect(told == [1, nil])
        if case .ended = outcome {} else { Issue.record("\(outcome)") }
    }
}
