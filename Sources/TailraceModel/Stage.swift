// SPDX-License-Identifier: MIT

/// Where a response is on its way out. The stages of a response's timeline partition the time from its begin to its end.
///
/// A new stage is a case here, with its texts; everything else loops over `allCases`.
@frozen
public enum Stage: String, CaseIterable, Codable, Sendable {
    case accept, read, app, send, blocked, queue, qdisc, driver, network

    /// The stages that a flush passes by itself, from its send call to its ACK.
    public static let delivery: [Stage] = [.send, .queue, .qdisc, .driver, .network]

    /// One line: what the response's time is spent on while in this stage.
    public var meaning: String {
        switch self {
        case .accept: "the connection is established and waits to be accepted"
        case .read: "the request is readable and the server has not read it"
        case .app: "the server holds the request, or is between send calls and not blocked"
        case .send: "the server is inside a send call and does not wait for memory"
        case .blocked: "a writer waits for room in the send buffer"
        case .queue: "after the last send call, the last byte waits in the TCP write queue"
        case .qdisc: "the last byte is with the device layer and the driver has not started it"
        case .driver: "the driver runs with the last byte"
        case .network: "the last byte is transmitted and not yet acknowledged"
        }
    }

    /// The letter that stands for the stage in a bar of text, so that no picture depends on colour.
    public var letter: Character {
        switch self {
        case .accept: "a"
        case .read: "r"
        case .app: "A"
        case .send: "s"
        case .blocked: "B"
        case .queue: "Q"
        case .qdisc: "D"
        case .driver: "d"
        case .network: "N"
        }
    }

    /// Position in `allCases`.
    @inlinable @inline(__always)
    public var index: Int {
        switch self {
        case .accept: 0
        case .read: 1
        case .app: 2
        case .send: 3
        case .blocked: 4
        case .queue: 5
        case .qdisc: 6
        case .driver: 7
        case .network: 8
        }
    }

    @usableFromInline @inline(__always)
    var bit: UInt16 { 1 &<< UInt16(truncatingIfNeeded: index) }
}

/// Nanoseconds for each stage, without a heap allocation; a stage may be unknown, which is not 0.
@frozen
public struct StageTimes: Equatable, Sendable {
    @usableFromInline var values = InlineArray<9, Int64>(repeating: 0)
    @usableFromInline var unknown: UInt16 = 0

    /// Every stage known and 0.
    @inlinable
    public init() {}

    /// The time of `stage` in nanoseconds, 0 or more; nil: not known.
    @inlinable @inline(__always)
    public subscript(stage: Stage) -> Int64? {
        get { unknown & stage.bit == 0 ? values[stage.index] : nil }
        set {
            values[stage.index] = newValue ?? 0
            if newValue == nil { unknown |= stage.bit } else { unknown &= ~stage.bit }
        }
    }

    /// Adds to a stage; a stage that was unknown becomes known.
    @inlinable @inline(__always)
    public mutating func add(_ nanoseconds: Int64, to stage: Stage) {
        values[stage.index] &+= nanoseconds
        unknown &= ~stage.bit
    }

    /// Sum over the known stages, nanoseconds.
    public var total: Int64 {
        var sum: Int64 = 0
        for index in 0..<9 { sum += values[index] }
        return sum
    }

    /// The same stages known, with the same times.
    public static func == (left: StageTimes, right: StageTimes) -> Bool {
        guard left.unknown == right.unknown else { return false }
        for index in 0..<9 where left.values[index] != right.values[index] { return false }
        return true
    }
}

extension StageTimes: Codable {
    /// In the order of `Stage.allCases`, null where unknown.
    public func encode(to encoder: any Encoder) throws {
        var list = encoder.unkeyedContainer()
        for stage in Stage.allCases { try list.encode(self[stage]) }
    }

    /// What is missing is unknown.
    public init(from decoder: any Decoder) throws {
        var list = try decoder.unkeyedContainer()
        for stage in Stage.allCases { self[stage] = list.isAtEnd ? nil : try list.decode(Int64?.self) }
    }
}

/// Nanoseconds for each cause of a wait, without a heap allocation.
@frozen
public struct CauseTimes: Equatable, Codable, Sendable {
    /// ns held by the peer's window.
    public var peerWindow: Int64 = 0
    /// ns held by congestion control.
    public var congestionWindow: Int64 = 0
    /// ns held for the device.
    public var qdisc: Int64 = 0
    /// ns held by none of these.
    public var other: Int64 = 0

    /// Nothing waited.
    @inlinable
    public init() {}

    /// The time of one cause, ns.
    @inlinable
    public subscript(cause: WaitCause) -> Int64 {
        get {
            switch cause {
            case .peerWindow: peerWindow
            case .congestionWindow: congestionWindow
            case .qdisc: qdisc
            case .other: other
            }
        }
        set {
            switch cause {
            case .peerWindow: peerWindow = newValue
            case .congestionWindow: congestionWindow = newValue
            case .qdisc: qdisc = newValue
            case .other: other = newValue
            }
        }
    }

    /// Sum over all causes, ns.
    @inlinable
    public var total: Int64 { peerWindow + congestionWindow + qdisc + other }
}

/// Why bytes did not move while a response was `blocked` or in `queue`.
@frozen
public enum WaitCause: String, CaseIterable, Codable, Sendable {
    /// The peer's receive window was full: it reads too slowly.
    case peerWindow = "peer_window"
    /// Congestion control held back: the window was full, or its pacing.
    case congestionWindow = "congestion_window"
    /// TCP held back because enough of this socket waits at the device (TSQ).
    case qdisc
    /// None of these: a small send buffer, memory, or a wait too short for the kernel's clocks.
    case other
}
