// SPDX-License-Identifier: MIT
import TailraceModel

/// Another target while tracing goes on. It needs no capability.
extension KernelSource {
    /// From now on `target` is traced. New connections are judged by it at once, and none by the half of two targets; those
    /// that match no longer are let go, and those that are open and match now are found, as by `adopt`, which is to be called
    /// once more a second later: what waits to be accepted belongs to no process yet.
    ///
    /// - Parameters:
    ///   - target: replaces the one before; the same one again changes nothing.
    ///   - handle: takes what is in the ring, and a `StateChange` that says so of each connection that is let go.
    /// - Throws: `CaptureError`: the target cannot be traced, and the one before still is; or the sockets cannot be read.
    public func retarget(to target: Target, _ handle: @escaping (KernelEvent) -> Void) throws(CaptureError) {
        try target.check()
        targets.choose(target)
        drain(handle)
        try iterate("on_process")
        // Until a walk writes nothing: one that the reader interrupts passes by some of those behind what was let go.
        while try iterate("on_retarget", over: Self.sockets, handle) > 0 {}
        try adopt()
    }
}
