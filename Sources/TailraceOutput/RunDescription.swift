// SPDX-License-Identifier: MIT
import TailraceModel

/// What a run is: the first line of every output for programs.
public struct RunDescription: Sendable {
    /// tailrace's version.
    public var version: String
    /// Node name.
    public var host: String
    /// `uname -r`.
    public var kernel: String
    /// Which hooks made the marks.
    public var backend: String
    /// Traced local ports.
    public var ports: [UInt16] = []
    /// Traced processes.
    public var pids: [Int32] = []
    /// Traced names.
    public var comms: [String] = []
    /// Traced cgroups.
    public var cgroups: [String] = []
    /// Wall time of the run.
    public var anchor: ClockAnchor
    /// Why the stage `driver` is not known; nil: it is.
    public var driverUnavailable: String?

    /// A run with no target: everything.
    public init(version: String, host: String, kernel: String, backend: String, anchor: ClockAnchor) {
        self.version = version
        self.host = host
        self.kernel = kernel
        self.backend = backend
        self.anchor = anchor
    }
}
