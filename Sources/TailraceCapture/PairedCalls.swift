// SPDX-License-Identifier: MIT
import CLibbpf
import CProbes
import Glibc

/// A place in a program's code that calls are counted at.
public struct CallSite: Sendable {
    /// Of the file that has the code, as this process sees it: also `/proc/PID/exe`.
    public let path: String
    /// Of the instruction, from the file's begin, bytes.
    public let offset: UInt64

    /// Both.
    public init(path: String, offset: UInt64) {
        self.path = path
        self.offset = offset
    }
}

/// Counts what one process calls of two functions, in the kernel: one that opens a task, and one that closes it. The process
/// stops at neither; each call takes it about a microsecond longer.
public final class PairedCalls {
    /// Calls since both are counted.
    public struct Count: Sendable, Equatable {
        /// Opened, less those that closed. Below 0 where tasks have closed that were open before.
        public let open: Int
        /// Opened.
        public let opened: Int
    }
    /// nil: given away.
    private var object: ProbeObject?
    private let counts: Int32

    /// Counts from now on.
    ///
    /// - Throws: `CaptureError`, one sentence.
    public init(pid: Int32, open: CallSite, close: CallSite) throws(CaptureError) {
        let object = try ProbeObject(tailrace_pair_object, "pair", words: "the task probe")
        counts = object.map("pair_counts")
        self.object = object
        // Nothing is counted before both are there: a task that came between them would stay open for ever.
        try hook("on_task_close", close, pid)
        try hook("on_task_open", open, pid)
        var first: UInt32 = 0
        var begin = ev_pair_count(open: 0, opened: 0, is_counted: 1)
        guard bpf_map_update_elem(counts, &first, &begin, 0) == 0 else {
            throw CaptureError.step("begin to count tasks", errno: errno, detail: "")
        }
    }

    private func hook(_ program: String, _ site: CallSite, _ pid: Int32) throws(CaptureError) {
        guard object?.attach(program, to: site, of: pid) != true else { return }
        let code = errno
        let step = "hook the byte at 0x\(String(site.offset, radix: 16)) of \(site.path)"
        guard Self.isAllowed else {
            throw CaptureError(
                .forbidden,
                "cannot \(step): \(describe(errno: code)); run as root, or with the capability CAP_SYS_ADMIN, which "
                    + "functions of programs take from Linux 6.17 on")
        }
        throw CaptureError.step(step, errno: code, detail: "")
    }

    /// Whether this user may hook functions of programs: asked of the kernel, and nothing is hooked.
    public static var isAllowed: Bool { clibbpf_try_program_hook() == 0 }

    /// To let go of a hook takes the kernel a tenth of a second: nobody waits for it.
    deinit {
        guard let remains = giveAway() else { return }
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { remains in
                if let remains { Unmanaged<ProbeObject>.fromOpaque(remains).release() }
                return nil
            }, remains.toOpaque())
        if result == 0 { pthread_detach(thread) } else { remains.release() }
    }

    /// The only reference that is left.
    private func giveAway() -> Unmanaged<ProbeObject>? {
        defer { object = nil }
        return object.map { Unmanaged.passRetained($0) }
    }

    /// What was counted so far.
    public var count: Count? {
        var first: UInt32 = 0
        var count = ev_pair_count()
        guard bpf_map_lookup_elem(counts, &first, &count) == 0 else { return nil }
        return Count(open: Int(count.open), opened: Int(clamping: count.opened))
    }
}
