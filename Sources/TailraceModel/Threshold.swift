// SPDX-License-Identifier: MIT

/// A limit of an anomaly that can be set: `slow-consumer.age=2s`.
public struct Threshold: Sendable, Equatable {
    /// What its number counts.
    public enum Unit: Sendable { case bytes, duration, count, share, factor }

    /// Whose.
    public let anomaly: Anomaly
    /// Behind the dot.
    public let name: String
    /// What its number counts.
    public let unit: Unit
    /// In bytes, ns, pieces, 0...1, or times; where nobody sets it.
    public let standard: Double
    /// One line: what is beyond it.
    public let meaning: String
    /// As it is set.
    public let id: String

    init(_ anomaly: Anomaly, _ name: String, _ unit: Unit, _ standard: Double, _ meaning: String) {
        self.anomaly = anomaly
        self.name = name
        self.unit = unit
        self.standard = standard
        self.meaning = meaning
        id = "\(anomaly.rawValue).\(name)"
    }

    /// All of them.
    public static var all: [Threshold] { Anomaly.allCases.flatMap(\.thresholds) }
}

/// The limits of one run: what was set, and the standard for the rest.
public struct Thresholds: Sendable, Equatable {
    private var values: [String: Double] = [:]

    /// The standard.
    public init() {}

    /// The limit, in its unit.
    public subscript(threshold: Threshold) -> Double {
        // Asked for each socket, and most runs set none.
        get { values.isEmpty ? threshold.standard : values[threshold.id] ?? threshold.standard }
        set { values[threshold.id] = newValue }
    }

    /// The limit as a number of ns, bytes or pieces.
    public func whole(_ threshold: Threshold) -> Int64 { Int64(nearest: self[threshold]) }

    /// Half as much: what is beyond the limit must fall below this to be over.
    public var relaxed: Thresholds {
        var relaxed = self
        for threshold in Threshold.all where threshold.unit != .factor { relaxed[threshold] = self[threshold] / 2 }
        return relaxed
    }
}

extension Anomaly {
    /// What of it can be set.
    public var thresholds: [Threshold] {
        switch self {
        case .queuePressure: [.pressureUnsent, .pressureAge, .pressureQueued, .pressureSum]
        case .slowConsumer: [.slowUnsent, .slowAge, .slowShare]
        case .blockedWriters: [.blockedAge]
        case .congestedPath: [.pathRetransmits, .pathLoss, .pathInflation, .pathRTT]
        case .qdiscPressure: [.qdiscWait]
        case .receivePressure: [.receiveWait, .receiveShare]
        case .stalledStream: [.stallSilence, .stallFactor]
        case .taskSaturation: [.saturationRho, .saturationFactor, .saturationLatency]
        case .taskLeak: [.leakTasks, .leakProbability]
        case .orphanedTasks: [.orphanGrace]
        case .coalescedStream: [.coalescedLump, .coalescedGap]
        }
    }
}

extension Threshold {
    /// Of one connection.
    public static let pressureUnsent = Threshold(
        .queuePressure, "unsent", .bytes, 65_536, "unsent bytes of one connection")
    /// Of one connection.
    public static let pressureAge = Threshold(
        .queuePressure, "age", .duration, 1e9, "age of its oldest unsent byte")
    /// Of one connection; a notice.
    public static let pressureQueued = Threshold(
        .queuePressure, "queued", .bytes, 131_072,
        "sk_wmem_queued of one connection, for three looks in a row: a notice")
    /// Of a server; critical.
    public static let pressureSum = Threshold(
        .queuePressure, "sum", .bytes, 67_108_864, "unsent bytes of all connections of a server: critical")
    /// Of one connection.
    public static let slowUnsent = Threshold(
        .slowConsumer, "unsent", .bytes, 16_384,
        "unsent bytes of one connection, where its writer is not blocked; of fewer, twice the age")
    /// Of one connection.
    public static let slowAge = Threshold(
        .slowConsumer, "age", .duration, 1e9, "how long its oldest unsent byte, or its writer, waits")
    /// Of the time between two looks.
    public static let slowShare = Threshold(
        .slowConsumer, "share", .share, 0.5, "share of the time in which the peer's window limited it")
    /// Of one writer.
    public static let blockedAge = Threshold(
        .blockedWriters, "age", .duration, 5e8, "how long one writer waits for room")
    /// Of a server.
    public static let pathRetransmits = Threshold(
        .congestedPath, "retransmits", .count, 2, "segments sent again between two looks, averaged over a few")
    /// Of one connection.
    public static let pathLoss = Threshold(
        .congestedPath, "loss", .share, 0.01, "segments that it sent again, by those that arrived")
    /// Of one connection.
    public static let pathInflation = Threshold(
        .congestedPath, "inflation", .factor, 4, "smoothed round trip by the smallest one of the connection")
    /// Of one connection.
    public static let pathRTT = Threshold(
        .congestedPath, "rtt", .duration, 5e7, "smoothed round trip from which inflation counts")
    /// Of a server.
    public static let qdiscWait = Threshold(
        .qdiscPressure, "wait", .duration, 2e7, "mean time of a flush with the device layer")
    /// Of one request.
    public static let receiveWait = Threshold(
        .receivePressure, "wait", .duration, 1e8, "how long a request waits to be read, or a connection to be accepted")
    /// Of a server.
    public static let receiveShare = Threshold(
        .receivePressure, "share", .share, 0.1, "share of the requests that wait so long, or of the connections' time")
    /// Of one response.
    public static let stallSilence = Threshold(
        .stalledStream, "silence", .duration, 2e9, "how long an open response is silent")
    /// Of one response.
    public static let stallFactor = Threshold(
        .stalledStream, "factor", .factor, 5, "its silence by the 95th percentile of its own gaps")
    /// Of a server.
    public static let saturationRho = Threshold(
        .taskSaturation, "rho", .factor, 0.5, "rank correlation of a stage's latency with open tasks")
    /// Of a server.
    public static let saturationFactor = Threshold(
        .taskSaturation, "factor", .factor, 3, "latency beyond the knee by the latency before it")
    /// Of a server.
    public static let saturationLatency = Threshold(
        .taskSaturation, "latency", .duration, 5e7, "median latency beyond the knee")
    /// Of a server.
    public static let leakTasks = Threshold(
        .taskLeak, "tasks", .count, 10, "tasks that responses and connections do not explain, more than at first")
    /// Of a server.
    public static let leakProbability = Threshold(
        .taskLeak, "probability", .factor, 0.001, "largest probability that such growth is chance")
    /// Of one connection.
    public static let orphanGrace = Threshold(
        .orphanedTasks, "grace", .duration, 2e9, "time since the client's FIN or RST, with the socket still held")
    /// Of one response.
    public static let coalescedLump = Threshold(
        .coalescedStream, "lump", .factor, 3, "flushes that reach the peer at once")
    /// Of one response.
    public static let coalescedGap = Threshold(
        .coalescedStream, "gap", .duration, 1e6, "median gap of the flushes at the server, from which lumps count")
}
