// SPDX-License-Identifier: MIT
import CService
import Glibc

/// The memory of this process. Heads are read up to their end, and what nobody needs of them is there until something else is
/// written over it: in the ring, which is the kernel's, that cannot be hastened.
public enum OwnMemory {
    /// Keeps it in the process, whatever becomes of that: no core, no words of a crash handler, nobody who attaches but root.
    /// Programs that are started from here may make no core file either.
    public static func keep() throws(ServiceError) {
        guard cservice_undumpable() == 0 else {
            throw .call("cannot forbid cores of this process, which would hold payload", advice: "report it")
        }
        // The runtime's own handler prints registers and memory.
        for number in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGQUIT] { signal(number, SIG_DFL) }
    }
}
