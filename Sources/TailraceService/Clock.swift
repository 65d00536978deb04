// SPDX-License-Identifier: MIT
import NIOCore
import TailraceModel

/// The event loops' clock.
enum Clock {
    static var now: Nanoseconds { Nanoseconds(NIODeadline.now().uptimeNanoseconds) }

    static func deadline(_ time: Nanoseconds) -> NIODeadline { .uptimeNanoseconds(UInt64(max(0, time))) }
}
