// SPDX-License-Identifier: MIT
import TailraceModel

/// Connections that are closed and whose descriptors are held still: a bounded number of them.
struct HeldTable {
    private struct Row {
        let held: HeldConnection
        var seen: Nanoseconds
    }
    private static let most = 65_536
    private var rows: [UInt64: Row] = [:]

    mutating func add(_ held: HeldConnection) {
        if rows.count < Self.most { rows[held.connection.cookie] = Row(held: held, seen: held.closed) }
    }

    /// It was met.
    mutating func see(_ socket: UInt64, at time: Nanoseconds) { rows[socket]?.seen = time }

    /// It is no target any more. False: it was not there.
    mutating func remove(_ socket: UInt64) -> Bool { !rows.isEmpty && rows.removeValue(forKey: socket) != nil }

    /// Those that a round met, by cookie.
    func met(since begin: Nanoseconds) -> [HeldConnection] {
        rows.isEmpty ? [] : rows.filter { $0.value.seen >= begin }.sorted { $0.key < $1.key }.map(\.value.held)
    }

    /// Those that nobody met since `time` are held no more.
    mutating func forget(unseenSince time: Nanoseconds) {
        if !rows.isEmpty { rows = rows.filter { $0.value.seen >= time } }
    }
}
