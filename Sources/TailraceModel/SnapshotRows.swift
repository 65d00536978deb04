// SPDX-License-Identifier: MIT

/// A response within a run, however rows are sorted.
public struct ResponseKey: Hashable, Codable, Sendable {
    /// Of its connection.
    public let cookie: UInt64
    /// On that connection, from 1; 0: the one in the making, of which no begin is known.
    public let number: Int

    /// Both.
    public init(cookie: UInt64, number: Int) {
        self.cookie = cookie
        self.number = number
    }

    /// From the id that outputs have (`cookie-number`); nil: it is none.
    public init?(id: String) {
        let parts = id.split(separator: "-")
        guard parts.count == 2, let cookie = UInt64(parts[0], radix: 16), let number = Int(parts[1]) else { return nil }
        self.init(cookie: cookie, number: number)
    }

    /// As outputs have it.
    public var id: String { Response.id(cookie: cookie, number: number) }
}

/// Who keeps a response's bytes from moving.
public enum Holder: String, CaseIterable, Codable, Sendable {
    /// Nobody: nothing waits.
    case nobody
    /// The peer reads too slowly: its window is full.
    case client
    /// Congestion window, loss, pacing.
    case path
    /// The device's queue.
    case device
    /// Nothing but a small send buffer, or a wait too short to tell.
    case unclear

    /// What held bytes, as a word for people.
    public init(_ cause: WaitCause) {
        switch cause {
        case .peerWindow: self = .client
        case .congestionWindow: self = .path
        case .qdisc: self = .device
        case .other: self = .unclear
        }
    }

    /// For a column.
    public var word: String {
        switch self {
        case .nobody: ""
        case .client: "client window"
        case .path: "path (cwnd)"
        case .device: "device queue"
        case .unclear: "send buffer"
        }
    }
}

/// One connection, as it was looked at last.
public struct SocketRow: Codable, Sendable {
    /// Which one.
    public var connection: Connection
    /// Who serves it.
    public var server: Server
    /// Its socket.
    public var sample: SocketSample
    /// Smoothed round trip, ns; nil: none yet.
    public var rtt: Int64?
    /// The smallest one so far, ns; nil: none yet.
    public var leastRTT: Int64?
    /// Acknowledged, bytes a second over a few looks; nil: not known.
    public var drained: Double?
    /// Handed over, bytes a second over a few looks; nil: not known.
    public var written: Double?
    /// Share of the last interval in which the peer's window limited it, 0...1; nil: not known.
    public var peerWindowShare: Double?
    /// Who holds its bytes.
    public var holder: Holder
    /// When the client's FIN came; nil: it did not.
    public var clientFin: Nanoseconds?
    /// The response in the making; nil: none.
    public var response: ResponseKey?
    /// Method and path of that, or nothing. Untrusted.
    public var request: String

    /// All of it.
    public init(
        connection: Connection, server: Server, sample: SocketSample, rtt: Int64?, leastRTT: Int64?, drained: Double?,
        written: Double?, peerWindowShare: Double?, holder: Holder, clientFin: Nanoseconds?, response: ResponseKey?,
        request: String
    ) {
        self.connection = connection
        self.server = server
        self.sample = sample
        self.rtt = rtt
        self.leastRTT = leastRTT
        self.drained = drained
        self.written = written
        self.peerWindowShare = peerWindowShare
        self.holder = holder
        self.clientFin = clientFin
        self.response = response
        self.request = request
    }

    /// How long its oldest unsent byte, or its writer, has waited, ns.
    public var wait: Int64 { max(sample.unsentBytes > 0 ? sample.oldestUnsent : 0, sample.blocked) }
    /// No response is in the making, as far as anybody can tell.
    public var isIdle: Bool { response == nil && sample.unsentBytes == 0 && sample.blocked == 0 }
}

/// One response, open or ended.
public struct ResponseRow: Codable, Sendable {
    /// Which one.
    public var key: ResponseKey
    /// On which connection.
    public var connection: Connection
    /// Who serves it; nil: not known.
    public var server: Server?
    /// Method and path. Untrusted.
    public var request: String
    /// nil: none was seen, or it is open.
    public var status: Int?
    /// Its end is not announced.
    public var isStreaming: Bool
    /// nil: it is open.
    public var endedBy: Ending?
    /// The request's first byte was readable; nil: that was before anybody looked.
    public var begin: Nanoseconds?
    /// So far, or in all, ns; nil: not known.
    public var duration: Int64?
    /// Where it is; of an ended one, where it was longest.
    public var stage: Stage
    /// Who holds its bytes, or held them longest.
    public var holder: Holder
    /// How long its oldest unsent byte, or its writer, waits; of an ended one, how long bytes were held in all. ns.
    public var wait: Int64
    /// How long its writer waits for room, ns; 0: none does.
    public var blocked: Int64
    /// `write_seq - snd_nxt`; of an ended one the largest.
    public var unsentBytes: Int64
    /// `sk_wmem_queued`; of an ended one the largest.
    public var queuedBytes: Int64
    /// Since its newest acknowledged flush was handed over, ns; nil: none was yet, or it has ended.
    public var silence: Int64?
    /// Its usual gap (p50) between flushes, ns; nil: fewer than two flushes.
    public var gap: Int64?
    /// Send calls that are acknowledged; nil: not known.
    public var flushes: Int64?
    /// Smoothed round trip, ns.
    public var rtt: Int64?
    /// Acknowledged, bytes a second; nil: not known.
    public var drained: Double?
    /// Its server's open tasks; nil: nobody tells them.
    public var tasks: Int?
    /// The client has said that it sends no more, or is gone.
    public var isClientGone: Bool
    /// Of an ended one; of an open one unknown.
    public var timeline: StageTimes?

    /// Open or ended, with what both have; the rest is nothing, or not known.
    public init(number: Int, on connection: Connection, server: Server?, begin: Nanoseconds?, duration: Int64?) {
        key = ResponseKey(cookie: connection.cookie, number: number)
        self.connection = connection
        self.server = server
        self.begin = begin
        self.duration = duration
        request = ""
        isStreaming = false
        stage = .app
        holder = .nobody
        (wait, blocked, unsentBytes, queuedBytes) = (0, 0, 0, 0)
        isClientGone = false
    }

    /// Its bytes wait, and neither its begin nor its head was seen: it began before anybody looked.
    public var isUnseen: Bool { key.number == 0 }
    /// The client.
    public var remote: Endpoint { connection.remote }
    /// Local port.
    public var port: UInt16 { connection.local.port }
    /// `comm[pid]`; untrusted.
    public var serverName: String { server.map { "\($0.comm)[\($0.pid)]" } ?? "-" }
}

/// Several open responses as one.
public struct GroupRow: Codable, Sendable {
    /// What they share. Untrusted.
    public var name: String
    /// How many.
    public var count = 0
    /// Of them, those whose bytes or writers wait.
    public var waiting = 0
    /// Sum, bytes.
    public var unsentBytes: Int64 = 0
    /// Sum of `sk_wmem_queued`, bytes.
    public var queuedBytes: Int64 = 0
    /// The longest wait, ns.
    public var wait: Int64 = 0
    /// The oldest, ns; nil: of none is known when it began.
    public var age: Int64?
    /// Who holds most of those that wait.
    public var holder = Holder.nobody
    /// The one that waits longest.
    public var worst: ResponseKey

    /// Of one response.
    init(_ name: String, _ row: ResponseRow) {
        self.name = name
        worst = row.key
    }

    private mutating func add(_ row: ResponseRow) {
        count += 1
        if row.holder != .nobody { waiting += 1 }
        unsentBytes = unsentBytes.sum(with: row.unsentBytes)
        queuedBytes = queuedBytes.sum(with: row.queuedBytes)
        age = [age, row.duration].compactMap { $0 }.max()
        if row.wait > wait || count == 1 { (wait, holder, worst) = (row.wait, row.holder, row.key) }
    }

    /// Those that wait longest first, a bounded number; what is beyond is left out.
    public static func groups(of rows: [ResponseRow], by grouping: Grouping, most: Int = 200) -> [GroupRow] {
        var groups: [String: GroupRow] = [:]
        for row in rows {
            let name = grouping.name(of: row)
            groups[name, default: GroupRow(name, row)].add(row)
        }
        let sorted = groups.values.sorted { ($1.wait, $1.count, $0.name) < ($0.wait, $0.count, $1.name) }
        return Array(sorted.prefix(most))
    }
}

/// What open responses can be put together by.
public enum Grouping: String, CaseIterable, Codable, Sendable {
    case none, server, peer, path

    func name(of row: ResponseRow) -> String {
        switch self {
        case .none: row.key.id
        case .server: "\(row.serverName):\(row.port)"
        case .peer: row.remote.address
        case .path: row.request.isEmpty ? "-" : row.request
        }
    }
}
