// SPDX-License-Identifier: MIT
import CProbes
import Testing

@testable import TailraceCapture

@Suite("The choice of a backend")
struct BackendTests {
    /// What Linux 6.1 lacks.
    private let linux61: Set = [
        "tracepoint sock_recv_length", "tracepoint sock_send_length", "tracepoint tcp_sendmsg_locked",
    ]

    private func facts(
        types: Bool = true, loops: Bool = true, missing: Set<String> = [], refusal: String? = nil,
        preemptible: Bool = false, mayHold: Bool = true, mayRead: Bool? = true,
        capabilities: UInt64 = .max, machine: String = "x86_64"
    ) -> KernelFacts {
        KernelFacts(
            release: "6.18", architecture: machine, host: "h", hasTypes: types, hasLoops: loops,
            tracepoints: KernelFacts.wanted.map { ($0.name, !missing.contains("tracepoint \($0.name)")) },
            functions: KernelFacts.wantedFunctions.map { ($0.name, !missing.contains($0.name)) },
            isPreemptible: preemptible, mayHoldPreemption: mayHold, functionHookRefusal: refusal,
            mayReadMemory: mayRead, capabilities: capabilities, lockdown: nil, isMPTCPEnabled: nil)
    }

    private func choice(_ facts: KernelFacts, _ wanted: Backend? = nil) -> Backend? {
        try? Backend.choose(for: facts, wanted: wanted)
    }

    private func kind(_ facts: KernelFacts) -> CaptureError.Kind? {
        do throws(CaptureError) {
            _ = try Backend.choose(for: facts)
            return nil
        } catch { return error.kind }
    }

    @Test("from facts: what is missing decides between `cannot` and `may not`")
    func refusals() {
        #expect(kind(facts()) == nil)
        #expect(kind(facts(capabilities: 0)) == .forbidden)
        #expect(kind(facts(capabilities: 1 << 39 | 1 << 38)) == nil)
        #expect(kind(facts(mayHold: false, capabilities: 1 << 39 | 1 << 38)) == .forbidden)
        #expect(kind(facts(mayHold: false, capabilities: 1 << 21)) == nil)
        #expect(kind(facts(types: false)) == .unsupported)
        #expect(kind(facts(loops: false)) == .unsupported)
        #expect(kind(facts(mayRead: false)) == .unsupported)
        #expect(kind(facts(mayRead: nil)) == nil)
        #expect(kind(facts(machine: "aarch64")) == .unsupported)
        #expect(kind(facts(missing: ["tracepoint tcp_sendmsg_locked"], refusal: "no")) == .unsupported)
        #expect(kind(facts(missing: ["tracepoint tcp_probe"])) == .unsupported)
    }

    @Test("function hooks are preferred; where they are refused or lack something, tracepoints serve")
    func preference() {
        #expect(choice(facts()) == .fentry)
        #expect(choice(facts(), .tracepoint) == .tracepoint)
        #expect(choice(facts(refusal: "Operation not permitted")) == .tracepoint)
        #expect(choice(facts(refusal: "Operation not permitted"), .fentry) == nil)
        #expect(choice(facts(missing: ["sk_stream_wait_memory"])) == .tracepoint)
        #expect(choice(facts(missing: linux61)) == .fentry)
        #expect(choice(facts(missing: linux61), .tracepoint) == nil)
        #expect(choice(facts(missing: linux61.union(["tcp_recvmsg"]))) == nil)
    }

    @Test("the refusal names what each backend lacks")
    func reasons() {
        let facts = facts(missing: linux61, refusal: "Operation not permitted")
        let error = #expect(throws: CaptureError.self) { try Backend.choose(for: facts) }
        let sentence = error?.description ?? ""
        #expect(sentence.contains("Operation not permitted") && sentence.contains("tcp_sendmsg_locked"))
        #expect(!sentence.contains("\n"))
    }

    @Test("a program is loaded where its hook is there")
    func programs() {
        let all = ProbeSet(.fentry, facts: facts())
        #expect(
            all.programs.isSuperset(of: ["on_call", "on_called", "on_recv", "on_ack", "on_driver", "on_hand_over"]))
        #expect(all.programs.isDisjoint(with: ["on_recvmsg", "on_send", "on_sent"]))
        #expect(all.hooks == EV_HOOK_WAIT | EV_HOOK_HAND_OVER | EV_HOOK_ACK | EV_HOOK_DRIVER)
        let old = ProbeSet(.fentry, facts: facts(missing: linux61.union(["tcp_ack"])))
        #expect(old.programs.contains("on_recvmsg") && old.programs.isDisjoint(with: ["on_recv", "on_ack"]))
        #expect(old.hooks & EV_HOOK_ACK == 0)
        let tracepoints = ProbeSet(.tracepoint, facts: facts())
        #expect(tracepoints.programs.isDisjoint(with: ["on_call", "on_driver", "on_ack"]) && tracepoints.hooks == 0)
    }

    @Test("where programs are preempted each has a second copy, and only what both were skipped at is missed")
    func spares() {
        let preempted = ProbeSet(.fentry, facts: facts(preemptible: true))
        #expect(preempted.programs.isSuperset(of: ["on_call_spare", "on_recv_spare"]))
        #expect(preempted.hooks & EV_HOOK_SPARES != 0)
        #expect(ProbeSet.eventsMissed(["on_call": 5, "on_call_spare": 2, "on_recv": 3, "on_enter": 7]) == 5)
    }

    @Test("the programs that measure functions are loaded only where that is asked for")
    func functions() {
        let plain = ProbeSet(.fentry, facts: facts())
        let timing = ProbeSet(.fentry, facts: facts(missing: ["inet6_csk_xmit"]), timesFunctions: true)
        #expect(plain.programs.isDisjoint(with: ["enter_tcp_sendmsg", "leave_tcp_sendmsg"]))
        #expect(timing.programs.isSuperset(of: ["enter_tcp_sendmsg", "leave_tcp_sendmsg", "leave_tcp_ack"]))
        #expect(!timing.programs.contains("enter_inet6_csk_xmit"))
        #expect(ProbeSet.eventsMissed(["enter_tcp_ack": 9]) == 0)
    }

    @Test("that the driver is not marked is said")
    func unavailable() {
        #expect(Backend.fentry.driverUnavailable == nil && Backend.tracepoint.driverUnavailable != nil)
    }
}
