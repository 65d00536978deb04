// SPDX-License-Identifier: MIT
import TailraceModel

/// All sockets as the newest look met them: rows, and sums.
struct SocketPicture {
    private(set) var open: [ResponseRow] = []
    private(set) var sockets: [SocketRow] = []
    private(set) var totals = SnapshotTotals()
    /// Whoever is held for less waits for nobody, ns: the socket's own clocks are no finer.
    private static let shortest: Int64 = 1_000_000
    /// Held for longer than a moment, ns: that is worth a count.
    private static let moment: Int64 = 100_000_000

    init(_ windows: [ServerWindow], tasks: TaskRecord) {
        let count = windows.reduce(0) { $0 + $1.connections.count }
        open.reserveCapacity(count)
        sockets.reserveCapacity(count)
        for window in windows {
            let open = tasks.count(of: window.server.pid)?.open
            for connection in window.connections { add(connection, at: window.at, tasks: open) }
        }
        totals.open = open.count
        totals.connections = sockets.count
    }

    private mutating func add(_ window: ConnectionWindow, at time: Nanoseconds, tasks: Int?) {
        let sample = window.sample
        let holder = window.wait >= Self.shortest ? Holder(window.holder) : .nobody
        totals.queuedBytes += Int64(sample.queuedBytes)
        totals.unsentBytes += Int64(sample.unsentBytes)
        totals.unackedBytes += Int64(sample.unackedBytes)
        totals.wait = max(totals.wait, window.wait)
        if sample.blocked > 0 { totals.blockedWriters += 1 }
        let row = Self.row(window, holder, tasks: tasks)
        if let row {
            open.append(row)
            totals.stages[row.stage.index] += 1
            if row.isClientGone { totals.clientsGone += 1 }
        }
        if window.wait >= Self.moment, let place = Holder.allCases.firstIndex(of: holder) {
            totals.held[place] += 1
            totals.heldBytes[place] += Int64(sample.unsentBytes)
            if window.wait > totals.heldLongest[place]?.wait ?? 0 {
                totals.heldLongest[place] = HeldClient(remote: window.remote, wait: window.wait)
            }
        }
        sockets.append(
            SocketRow(
                connection: window.look.connection, server: window.look.server, sample: sample, rtt: window.rtt,
                leastRTT: window.leastRTT, drained: window.drained, written: window.written,
                peerWindowShare: window.peerWindowShare, holder: holder, clientFin: window.look.clientFin,
                response: row?.key, request: row?.request ?? ""))
    }

    /// nil: no response is in the making.
    private static func row(_ window: ConnectionWindow, _ holder: Holder, tasks: Int?) -> ResponseRow? {
        let look = window.look
        let sample = window.sample
        guard window.isOpen else { return nil }
        let begin = look.response?.begin
        var row = ResponseRow(
            number: look.response?.number ?? 0, on: look.connection, server: look.server, begin: begin,
            duration: begin.map { max(0, sample.at - $0) })
        if let looked = look.response { tell(looked, of: &row, at: sample.at) }
        row.stage = stage(sample)
        row.holder = holder
        row.wait = window.wait
        row.blocked = sample.blocked
        row.unsentBytes = Int64(sample.unsentBytes)
        row.queuedBytes = Int64(sample.queuedBytes)
        row.rtt = window.rtt
        row.drained = window.drained
        row.tasks = tasks
        row.isClientGone = look.clientFin != nil
        return row
    }

    private static func tell(_ looked: LookedResponse, of row: inout ResponseRow, at time: Nanoseconds) {
        row.request = words(looked.method, looked.target)
        row.isStreaming = looked.isStreaming
        row.silence = looked.sent > 0 ? max(0, time - looked.sent) : nil
        row.gap = looked.gapSent.p50
        row.flushes = looked.flushes
    }

    /// Where its newest bytes are.
    private static func stage(_ sample: SocketSample) -> Stage {
        if sample.blocked > 0 { return .blocked }
        if sample.unsentBytes > 0 { return .queue }
        return sample.unackedBytes > 0 ? .network : .app
    }

    static func words(_ method: String?, _ target: String?) -> String {
        [method, target].compactMap { $0 }.joined(separator: " ")
    }

    /// The rows that were asked for.
    func fill(_ snapshot: inout Snapshot) {
        let request = snapshot.request
        let filter = request.filter.lowercased()
        let matching = filter.isEmpty ? open : open.filter { $0.matches(filter) }
        if request.grouping != .none { snapshot.groups = GroupRow.groups(of: matching, by: request.grouping) }
        let most = SnapshotBuilder.mostRows
        snapshot.openCount = matching.count
        snapshot.open = request.order.sorted(matching, isReversed: request.isReversed, most: most)
        if let key = request.detail, !snapshot.open.contains(where: { $0.key == key }),
            let row = open.first(where: { $0.key == key })
        {
            snapshot.open.append(row)
        }
        let chosen = filter.isEmpty ? sockets : sockets.filter { $0.matches(filter) }
        snapshot.connectionCount = chosen.count
        snapshot.connections = request.connectionOrder.sorted(
            chosen, isReversed: request.isConnectionReversed, most: most)
    }
}
