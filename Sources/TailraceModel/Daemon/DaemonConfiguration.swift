// SPDX-License-Identifier: MIT

/// What the daemon's file can say. Where it says nothing, this.
public struct DaemonConfiguration: Sendable, Equatable {
    /// Which ended responses are sent as spans.
    public enum Spans: String, CaseIterable, Sendable { case off, slow, all }

    /// Local ports that are traced; with none, no pid, comm and cgroup: every accepted connection.
    public var ports: [UInt16] = []
    /// Server processes.
    public var pids: [Int32] = []
    /// Names of server processes.
    public var comms: [String] = []
    /// Paths of cgroups (v2).
    public var cgroups: [String] = []

    /// Path of the socket that local users ask on; empty: none.
    public var socket = "/run/tailrace/tailrace.sock"
    /// Its group, a name or a number: whoever is in it may ask.
    public var socketGroup = "tailrace"
    /// ADDRESS:PORT where metrics can be had over TCP; empty: nowhere.
    public var metricsListen = ""
    /// Where metrics are sent: http://HOST:PORT[/PATH]; empty: nowhere.
    public var otlpEndpoint = ""
    /// `NAME=VALUE` of requests to it.
    public var otlpHeaders: [String] = []
    /// Which responses are sent to it.
    public var otlpSpans = Spans.off
    /// Time between two sets of metrics, ns.
    public var otlpInterval: Nanoseconds = 15_000_000_000

    /// Where the last minutes are kept; empty: nowhere.
    public var flightDirectory = "/var/lib/tailrace"
    /// All segments that nothing pins, bytes.
    public var flightSize: Int64 = 256 << 20
    /// All that findings pin, bytes.
    public var flightPinnedSize: Int64 = 128 << 20
    /// Length of a segment, ns.
    public var flightSegment: Nanoseconds = 30_000_000_000

    /// Whether open tasks are counted.
    public var readsTasks = true
    /// As `--task-probe`; empty: none.
    public var taskProbe = ""
    /// Whether paths of requests are shown.
    public var showsPaths = true

    /// Own processor time, of one core, 0...1: beyond it detail is given up.
    public var cpuLimit = 0.1
    /// Own resident memory, bytes: beyond it detail is given up.
    public var memoryLimit: Int64 = 256 << 20
    /// Between the kernel and us, bytes: a power of two.
    public var ringBytes: Int64 = 16 << 20
    /// Connections that are followed at once.
    public var maxConnections: UInt32 = 1 << 16

    /// From when on something is a finding.
    public var thresholds = Thresholds()

    /// Without a file.
    public init() {}

    /// Keys that differ from `other` and need a new start.
    public func needsRestart(from other: DaemonConfiguration) -> [String] {
        let fixed: [(String, Bool)] = [
            ("socket", socket == other.socket), ("socket-group", socketGroup == other.socketGroup),
            ("metrics-listen", metricsListen == other.metricsListen), ("ring", ringBytes == other.ringBytes),
            ("max-connections", maxConnections == other.maxConnections), ("tasks", readsTasks == other.readsTasks),
            ("task-probe", taskProbe == other.taskProbe), ("show-paths", showsPaths == other.showsPaths),
            ("flight-directory", flightDirectory == other.flightDirectory),
            ("flight-size", flightSize == other.flightSize),
            ("flight-pinned-size", flightPinnedSize == other.flightPinnedSize),
            ("flight-segment", flightSegment == other.flightSegment),
            ("otlp-endpoint", otlpEndpoint == other.otlpEndpoint), ("otlp-header", otlpHeaders == other.otlpHeaders),
        ]
        return fixed.filter { !$0.1 }.map(\.0)
    }

    /// With those keys as `other` has them: what is in force until the new start.
    public func untilRestart(from other: DaemonConfiguration) -> DaemonConfiguration {
        var settings = self
        (settings.socket, settings.socketGroup) = (other.socket, other.socketGroup)
        settings.metricsListen = other.metricsListen
        (settings.ringBytes, settings.maxConnections) = (other.ringBytes, other.maxConnections)
        (settings.readsTasks, settings.taskProbe) = (other.readsTasks, other.taskProbe)
        settings.showsPaths = other.showsPaths
        (settings.flightDirectory, settings.flightSegment) = (other.flightDirectory, other.flightSegment)
        (settings.flightSize, settings.flightPinnedSize) = (other.flightSize, other.flightPinnedSize)
        (settings.otlpEndpoint, settings.otlpHeaders) = (other.otlpEndpoint, other.otlpHeaders)
        return settings
    }
}

/// Why a file of settings was not understood: one sentence, with the line.
public struct ConfigurationError: Error, CustomStringConvertible, Sendable {
    /// What was wrong, and what was expected.
    public let description: String

    /// One sentence.
    public init(_ description: String) { self.description = description }
}
