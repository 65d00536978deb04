// SPDX-License-Identifier: MIT

/// How much the daemon does, from everything to the least: what costs most and is missed least goes first.
public enum DetailLevel: Int, CaseIterable, Codable, Sendable, Comparable {
    /// Everything.
    case full
    /// No spans; live streams only of findings and samples.
    case noStreams
    /// All sockets are looked at every other second, not every second.
    case fewLooks
    /// The servers' tasks are not counted any more.
    case noTasks
    /// The last minutes are not recorded any more.
    case noFlight
    /// No connection is followed any more.
    case noConnections

    /// For metrics and JSON.
    public var name: String {
        switch self {
        case .full: "full"
        case .noStreams: "no-streams"
        case .fewLooks: "few-looks"
        case .noTasks: "no-tasks"
        case .noFlight: "no-flight"
        case .noConnections: "no-connections"
        }
    }

    /// For people.
    public var meaning: String {
        switch self {
        case .full: "everything is told"
        case .noStreams: "no spans and no recordings are sent, and no responses live"
        case .fewLooks: "sockets are looked at every other second"
        case .noTasks: "no tasks are counted"
        case .noFlight: "the last minutes are not recorded"
        case .noConnections: "no connection is followed, until there is room again"
        }
    }

    /// For people: all that is left out.
    public var words: String {
        self == .full ? meaning : Self.allCases[1...rawValue].map(\.meaning).joined(separator: "; ")
    }

    /// One step down; nil: there is none.
    public var less: DetailLevel? { DetailLevel(rawValue: rawValue + 1) }
    /// One step up; nil: there is none.
    public var more: DetailLevel? { DetailLevel(rawValue: rawValue - 1) }

    /// More detail is smaller.
    public static func < (left: DetailLevel, right: DetailLevel) -> Bool { left.rawValue < right.rawValue }
}
