// SPDX-License-Identifier: MIT
import TailraceModel

/// What is traced, as its words are given; all empty: every connection that a listener accepted.
public struct TracedTarget: Sendable, Equatable, Decodable {
    /// Local ports.
    public var ports: [UInt16] = []
    /// Processes.
    public var pids: [Int32] = []
    /// Names of processes.
    public var comms: [String] = []
    /// Cgroups.
    public var cgroups: [String] = []

    /// Everything.
    public init() {}

    /// Whether all that `wanted` names can be in it; who names nothing wants what there is.
    public func covers(_ wanted: TracedTarget) -> Bool {
        guard wanted != TracedTarget() else { return true }
        let hasPorts = ports.isEmpty || !wanted.ports.isEmpty && Set(ports).isSuperset(of: wanted.ports)
        if pids.isEmpty && comms.isEmpty && cgroups.isEmpty { return hasPorts }
        let isNamed = !(wanted.pids.isEmpty && wanted.comms.isEmpty && wanted.cgroups.isEmpty)
        let isBelow = wanted.cgroups.allSatisfy { path in
            cgroups.contains { path == $0 || path.hasPrefix($0.hasSuffix("/") ? $0 : $0 + "/") }
        }
        return hasPorts && isNamed && isBelow && Set(pids).isSuperset(of: wanted.pids)
            && Set(comms).isSuperset(of: wanted.comms)
    }
}

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
    /// What the daemon traces that told the run; nil: it traced itself, or that is not known.
    public var daemonTarget: TracedTarget?
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
