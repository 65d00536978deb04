// SPDX-License-Identifier: MIT

/// How much a finding matters.
public enum Severity: String, Comparable, Codable, Sendable, CaseIterable {
    /// Worth knowing; a healthy server may have it.
    case notice
    /// Clients or the server suffer.
    case warning
    /// They suffer much.
    case critical

    /// Notice is least.
    public static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }
    private var rank: Int { self == .notice ? 0 : self == .warning ? 1 : 2 }
}

/// A named number that a finding rests on. What is not known is nil.
public struct Evidence: Codable, Sendable, Equatable {
    /// What a number is.
    public enum Value: Codable, Sendable, Equatable {
        case count(Int64?)
        case bytes(Int64?)
        /// ns.
        case duration(Int64?)
        /// 0...1.
        case share(Double?)
        case bytesPerSecond(Int64?)
        /// Correlations, slopes, probabilities.
        case number(Double?)
        /// Words of our own, or untrusted ones.
        case text(String?)
    }
    /// With its unit at the end, as JSON has it.
    public let name: String
    /// The number.
    public let value: Value

    /// False: it is nil.
    public var isKnown: Bool {
        switch value {
        case .count(let value), .bytes(let value), .duration(let value), .bytesPerSecond(let value): value != nil
        case .share(let value), .number(let value): value != nil
        case .text(let value): value != nil
        }
    }

    /// Both.
    public init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }
}

/// One occurrence of an anomaly, with its evidence.
public struct Finding: Codable, Sendable {
    /// Where it stands.
    public enum State: String, Codable, Sendable { case opened, updated, closed }

    /// Of this occurrence: unique within a run, and the same in each replay of it.
    public var id: String
    /// Of what.
    public var anomaly: Anomaly
    /// Where it stands.
    public var state = State.opened
    /// The highest so far.
    public var severity: Severity
    /// When what it rests on began.
    public var begin: Nanoseconds
    /// When it was told last.
    public var at: Nanoseconds
    /// When it was over; nil: it is not.
    public var end: Nanoseconds?
    /// Whose.
    public var server: Server
    /// The connection that has most of it; nil: no single one.
    public var connection: Connection?
    /// The most responses or connections that it held at once.
    public var held: Int
    /// In numbers.
    public var evidence: [Evidence]
    /// One sentence, or two. May hold untrusted text.
    public var summary: String

    /// What to do about it.
    public var advice: String { anomaly.advice }

    /// A new occurrence.
    public init(id: String, anomaly: Anomaly, at: Nanoseconds, server: Server, _ symptom: Symptom) {
        self.id = id
        self.anomaly = anomaly
        self.at = at
        self.server = server
        begin = symptom.since ?? at
        severity = symptom.severity
        held = symptom.held
        connection = symptom.connection
        evidence = symptom.evidence
        summary = symptom.summary
    }

    /// What is so now.
    public mutating func take(_ symptom: Symptom, at: Nanoseconds) {
        self.at = at
        severity = max(severity, symptom.severity)
        held = max(held, symptom.held)
        connection = symptom.connection
        evidence = symptom.evidence
        summary = symptom.summary
    }
}

/// What a check saw in one window.
public struct Symptom: Sendable {
    /// As it is in this window.
    public var severity: Severity
    /// How many responses or connections it holds.
    public var held: Int
    /// Since when; nil: since this window.
    public var since: Nanoseconds?
    /// The connection that has most of it; nil: no single one.
    public var connection: Connection?
    /// In numbers.
    public var evidence: [Evidence]
    /// One sentence, or two.
    public var summary: String

    /// All of it.
    public init(
        _ severity: Severity, held: Int = 1, since: Nanoseconds? = nil, connection: Connection? = nil,
        evidence: [Evidence],
        summary: String
    ) {
        self.severity = severity
        self.held = held
        self.since = since
        self.connection = connection
        self.evidence = evidence
        self.summary = summary
    }
}
