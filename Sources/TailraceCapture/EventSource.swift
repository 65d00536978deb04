// SPDX-License-Identifier: MIT
import TailraceModel

/// Where events come from: the kernel, or a recording. Used from one thread.
public protocol EventSource: AnyObject {
    /// Hands the events that are there to `handle`, in order, without waiting. The bytes of an event live no longer than
    /// the call.
    ///
    /// - Returns: how many records there were.
    /// - Throws: where the source itself fails; the kernel's never does.
    @discardableResult
    func drain(_ handle: @escaping (KernelEvent) -> Void) throws(CaptureError) -> Int

    /// What was made, and what of it did not arrive, as of the last drain.
    func loss() -> Loss
}

extension KernelSource: EventSource {}
