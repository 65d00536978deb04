// SPDX-License-Identifier: MIT
import Glibc
import NIOConcurrencyHelpers
import Testing

@testable import TailraceService

@Suite("What a process may")
struct CapabilityTests {
    private static let status = """
        Name:\tserver
        Pid:\t42
        NoNewPrivs:\t1
        CapInh:\t0000000000000000
        CapPrm:\t000000c000080000
        CapEff:\t0000008000000000
        CapBnd:\t000001ffffffffff
        CapAmb:\t0000000000080000
        """

    @Test("is read by set and by name")
    func reads() {
        let thread = Capabilities.OfThread(status: Self.status)
        #expect(thread.permitted == [.bpf, .perfmon, .ptrace])
        #expect(thread.effective.names == ["CAP_BPF"])
        #expect(thread.ambient.names == ["CAP_SYS_PTRACE"])
        #expect(thread.bounding.numbers.count == 41 && thread.inheritable.isEmpty && thread.isConfined)
        #expect(!thread.isPowerless)
        #expect(CapabilitySet("CAP_NONE").isEmpty && CapabilitySet(rawValue: 1 << 50).names == ["CAP_50"])
    }

    @Test("is dropped in one thread, and that is not all")
    func drops() throws {
        let before = Capabilities.current()
        let told = NIOLockedValueBox<(own: Capabilities.OfThread?, error: String?)?>(nil)
        let mayEnd = NIOLockedValueBox(false)
        TestThread.start {
            var error: String?
            do { try Capabilities.keepInThisThread([]) } catch let failure { error = "\(failure)" }
            told.withLockedValue { $0 = (Capabilities.ofThisThread(), error) }
            while !mayEnd.withLockedValue({ $0 }) { usleep(1000) }
        }
        while told.withLockedValue({ $0 == nil }) { usleep(1000) }
        defer { mayEnd.withLockedValue { $0 = true } }
        let result = try #require(told.withLockedValue { $0 })
        #expect(result.error == nil)
        #expect(result.own?.isPowerless == true && result.own?.isConfined == true, "\(String(describing: result.own))")
        #expect(Capabilities.current() == before, "another thread has what it had")
        if geteuid() == 0 {
            let powerless = Capabilities.ofThreads().values.filter(\.isPowerless)
            #expect(powerless.count == 1, "one thread of several")
        }
    }

    @Test("is not dropped where other threads would keep it")
    func refuses() {
        let isOver = NIOLockedValueBox(false)
        TestThread.start { while !isOver.withLockedValue({ $0 }) { usleep(1000) } }
        defer { isOver.withLockedValue { $0 = true } }
        #expect(throws: ServiceError.self) { try Capabilities.dropAll() }
    }

    @Test("is kept only by who has it", .enabled(if: geteuid() == 0))
    func keeps() throws {
        let sets = NIOLockedValueBox<[Capabilities.OfThread?]>([])
        let error = NIOLockedValueBox<String?>(nil)
        TestThread.start {
            for kept: CapabilitySet in [[.ptrace, .users], .ptrace, [.ptrace, .bpf]] {
                do { try Capabilities.keepInThisThread(kept) } catch let failure {
                    error.withLockedValue { $0 = "\(failure)" }
                }
                let own = Capabilities.ofThisThread()
                sets.withLockedValue { $0.append(own) }
            }
        }
        while sets.withLockedValue({ $0.count < 3 }) { usleep(1000) }
        let found = sets.withLockedValue { $0.map { $0?.effective } }
        #expect(found == [[.ptrace, .users], .ptrace, .ptrace])
        #expect(sets.withLockedValue { $0.last??.bounding } == [.ptrace, .users], "who gave up CAP_SETPCAP cannot")
        #expect(error.withLockedValue { $0 }?.hasPrefix("cannot keep CAP_BPF: ") == true)
    }
}
