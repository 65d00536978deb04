// SPDX-License-Identifier: MIT

/// A column that rows are sorted by.
public enum RowOrder: String, CaseIterable, Codable, Sendable {
    /// Longest wait of an unsent byte or a writer.
    case wait
    case unsent
    case queued
    case age
    /// Longest since the last flush.
    case gap
    case rtt
    case peer
    case server
    case request

    /// Whether that row comes first, with the largest on top; texts ascend.
    public func isBefore(_ left: ResponseRow, _ right: ResponseRow) -> Bool? {
        switch self {
        case .wait: Self.larger(left.wait, right.wait)
        case .unsent: Self.larger(left.unsentBytes, right.unsentBytes)
        case .queued: Self.larger(left.queuedBytes, right.queuedBytes)
        case .age: Self.larger(left.duration ?? -1, right.duration ?? -1)
        case .gap: Self.larger(left.silence ?? -1, right.silence ?? -1)
        case .rtt: Self.larger(left.rtt ?? -1, right.rtt ?? -1)
        case .peer: Self.larger(right.remote, left.remote)
        case .server: Self.larger(right.serverName, left.serverName)
        case .request: Self.larger(right.request, left.request)
        }
    }

    private static func larger<Value: Comparable>(_ left: Value, _ right: Value) -> Bool? {
        left == right ? nil : left > right
    }

    /// In order, `most` at most; equal ones by age, then by key, so that rows do not jump.
    public func sorted(_ rows: [ResponseRow], isReversed: Bool, most: Int = .max) -> [ResponseRow] {
        // Places are sorted, because rows are large.
        let places = rows.indices.sorted { left, right in
            if let first = isBefore(rows[left], rows[right]) { return first != isReversed }
            let begins = (rows[left].begin ?? .min, rows[right].begin ?? .min)
            if begins.0 != begins.1 { return begins.0 < begins.1 }
            if rows[left].key.cookie != rows[right].key.cookie { return rows[left].key.cookie < rows[right].key.cookie }
            return rows[left].key.number < rows[right].key.number
        }
        return places.prefix(most).map { rows[$0] }
    }
}

/// A column that connections are sorted by.
public enum ConnectionOrder: String, CaseIterable, Codable, Sendable {
    /// Longest wait of an unsent byte or a writer.
    case wait
    case unsent
    case unacked
    case queued
    case rtt
    case peer
    case server

    /// Whether that row comes first, with the largest on top; texts ascend.
    func isBefore(_ left: SocketRow, _ right: SocketRow) -> Bool? {
        switch self {
        case .wait: Self.larger(left.wait, right.wait) ?? ConnectionOrder.queued.isBefore(left, right)
        case .unsent: Self.larger(left.sample.unsentBytes, right.sample.unsentBytes)
        case .unacked: Self.larger(left.sample.unackedBytes, right.sample.unackedBytes)
        case .queued: Self.larger(left.sample.queuedBytes, right.sample.queuedBytes)
        case .rtt: Self.larger(left.rtt ?? -1, right.rtt ?? -1)
        case .peer: Self.larger(right.connection.remote, left.connection.remote)
        case .server: Self.larger(right.server.comm, left.server.comm) ?? Self.larger(right.server.pid, left.server.pid)
        }
    }

    private static func larger<Value: Comparable>(_ left: Value, _ right: Value) -> Bool? {
        left == right ? nil : left > right
    }

    /// In order, `most` at most; equal ones by cookie, so that rows do not jump.
    public func sorted(_ rows: [SocketRow], isReversed: Bool, most: Int = .max) -> [SocketRow] {
        let places = rows.indices.sorted { left, right in
            if let first = isBefore(rows[left], rows[right]) { return first != isReversed }
            return rows[left].connection.cookie < rows[right].connection.cookie
        }
        return places.prefix(most).map { rows[$0] }
    }
}

/// Which rows a picture wants, of the many that there may be.
public struct SnapshotRequest: Equatable, Codable, Sendable {
    /// Of open responses.
    public var order = RowOrder.wait
    /// The smallest first.
    public var isReversed = false
    /// Of connections.
    public var connectionOrder = ConnectionOrder.wait
    /// Of those, the smallest first.
    public var isConnectionReversed = false
    /// Rows that do not hold this text, in any case, are left out; empty: none are.
    public var filter = ""
    /// How open responses are put together.
    public var grouping = Grouping.none
    /// The response of which all is told; nil: none.
    public var detail: ResponseKey?
    /// Somebody looks at groups of tasks: they are counted meanwhile.
    public var wantsTaskGroups = false

    /// The usual.
    public init() {}
}

extension ResponseRow {
    /// Whether it holds that text, which is in lower case.
    public func matches(_ filter: String) -> Bool {
        filter.isEmpty || request.lowercased().contains(filter) || remote.description.contains(filter)
            || serverName.lowercased().contains(filter) || stage.rawValue.contains(filter)
            || holder.word.contains(filter)
    }
}

extension SocketRow {
    /// Whether it holds that text, which is in lower case.
    public func matches(_ filter: String) -> Bool {
        filter.isEmpty || connection.remote.description.contains(filter)
            || connection.local.description.contains(filter) || request.lowercased().contains(filter)
            || "\(server.comm)[\(server.pid)]".lowercased().contains(filter) || holder.word.contains(filter)
    }
}
