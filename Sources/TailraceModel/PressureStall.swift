// SPDX-License-Identifier: MIT

/// A share of time, averaged as the kernel averages its pressure stall information.
public struct StallAverages: Codable, Sendable, Equatable {
    /// Over about 10 s, 0...100 %.
    public var avg10 = 0.0
    /// Over about a minute, 0...100 %.
    public var avg60 = 0.0
    /// Over about five minutes, 0...100 %.
    public var avg300 = 0.0
    /// Since the run began, ns.
    public var total: Int64 = 0

    /// Nothing yet.
    public init() {}
}

/// Pressure stall information for sends: how much of the time responses in flight were held by a queue (blocked, write queue,
/// qdisc) for a millisecond or longer.
public struct PressureStall: Codable, Sendable, Equatable {
    /// At least one response in flight was held.
    public var some = StallAverages()
    /// All responses in flight were held.
    public var full = StallAverages()

    /// Nothing yet.
    public init() {}
}

/// The pressure stall information of one server.
public struct ServerPressure: Codable, Sendable {
    /// Responses held by anything.
    public var all = PressureStall()
    /// By what held them, by `WaitCause.index`.
    public var causes = [PressureStall](repeating: PressureStall(), count: WaitCause.allCases.count)

    /// Nothing yet.
    public init() {}

    /// Responses held by one cause.
    public subscript(cause: WaitCause) -> PressureStall {
        get { causes[cause.index] }
        set { causes[cause.index] = newValue }
    }
}

extension WaitCause {
    /// Position in `allCases`.
    public var index: Int {
        switch self {
        case .peerWindow: 0
        case .congestionWindow: 1
        case .qdisc: 2
        case .other: 3
        }
    }
}
