// SPDX-License-Identifier: MIT
import Glibc

/// What the handler of a fatal signal reads: set before it is installed, and nothing else then.
private struct Rescue {
    var descriptor: Int32
    var original: termios
    var bytes: UnsafeMutableRawPointer
    var count: Int
}

nonisolated(unsafe) private var rescue: UnsafeMutablePointer<Rescue>?

/// Gives the terminal back when the program itself is at fault: an assertion, an overflow, a bad address.
enum CrashRestorer {
    private static let fatal = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS]

    static func arm(_ descriptor: Int32, _ original: termios, _ restoring: String) {
        disarm()
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: restoring.utf8.count, alignment: 1)
        bytes.copyMemory(from: Array(restoring.utf8), byteCount: restoring.utf8.count)
        let pointer = UnsafeMutablePointer<Rescue>.allocate(capacity: 1)
        pointer.initialize(
            to: Rescue(descriptor: descriptor, original: original, bytes: bytes, count: restoring.utf8.count))
        rescue = pointer
        for signal in fatal {
            var action = sigaction()
            // Nothing in it but system calls. With the second firing the signal does what it would have done.
            action.__sigaction_handler.sa_handler = { signal in
                if let rescue {
                    write(rescue.pointee.descriptor, rescue.pointee.bytes, rescue.pointee.count)
                    tcsetattr(rescue.pointee.descriptor, TCSANOW, &rescue.pointee.original)
                }
                raise(signal)
            }
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_ONSTACK
            sigaction(signal, &action, nil)
        }
    }

    static func disarm() {
        guard let old = rescue else { return }
        for signal in fatal {
            var action = sigaction()
            sigaction(signal, nil, &action)
            action.__sigaction_handler.sa_handler = SIG_DFL
            action.sa_flags = 0
            sigaction(signal, &action, nil)
        }
        rescue = nil
        old.pointee.bytes.deallocate()
        old.deallocate()
    }
}
