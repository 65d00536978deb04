// SPDX-License-Identifier: MIT
import TailraceModel

/// What is known of one response at the moment that is shown.
struct KnownResponse {
    let key: ResponseKey
    /// Of the lists; nil: in none of them.
    let row: ResponseRow?
    /// Its connection; nil: it is gone.
    let socket: SocketRow?
    /// All of it; nil: not known for this moment.
    let response: Response?
    /// Those that were acknowledged by then, oldest first.
    let flushes: [Flush]
    /// Somebody looked at it at that moment already; false: what is shown of it was told later.
    let isWhole: Bool

    /// `newest` may be later than the moment that is shown: of what it tells only that is taken which had happened by then.
    init(_ key: ResponseKey, _ snapshot: Snapshot, newest: Snapshot) {
        self.key = key
        row = (snapshot.open + snapshot.ended).first { $0.key == key }
        let kept = snapshot.detail.flatMap { $0.key == key ? $0 : nil }
        let later = newest.detail.flatMap { $0.key == key ? $0 : nil }
        isWhole = kept != nil || newest.at == snapshot.at
        socket = kept?.socket ?? snapshot.connections.first { $0.connection.cookie == key.cookie }
        if let kept {
            (response, flushes) = (kept.response, kept.flushes)
            return
        }
        let ended = later?.response.flatMap { $0.state == .ended && $0.end <= snapshot.at ? $0 : nil }
        response = ended
        flushes = later?.flushes.filter { $0.at + ($0.total ?? 0) <= snapshot.at } ?? []
    }

    /// Nothing tells of it.
    var isUnknown: Bool { row == nil && socket == nil && response == nil }
    /// Who holds its bytes, or held them longest.
    var holder: Holder { row?.holder ?? socket?.holder ?? .nobody }
    /// How long its oldest unsent byte, or its writer, waits now; 0: nothing waits, or it has ended.
    var waitsNow: Int64 { row.map { $0.endedBy == nil ? $0.wait : 0 } ?? socket?.wait ?? 0 }
    var unsentBytes: Int64 { row?.unsentBytes ?? socket.map { Int64($0.sample.unsentBytes) } ?? 0 }
    /// Where its newest bytes are.
    var stage: Stage { row?.stage ?? (socket?.sample.blocked ?? 0 > 0 ? .blocked : .queue) }

    /// What its frame says beside its name.
    var note: String {
        if let row {
            return row.endedBy.map { "ended, \($0.rawValue)" } ?? (row.isUnseen ? "open, begun unseen" : "open")
        }
        return key.number > 0 ? "not open any more" : socket?.isIdle ?? true ? "idle connection" : "open, begun unseen"
    }

    /// Why there is no timeline; nil: there is one.
    var lacksTimeline: String? {
        guard response == nil else { return nil }
        if key.number == 0 {
            return waitsNow > 0 || unsentBytes > 0
                ? "It began before tailrace looked: its socket is known, its timeline is not." : nil
        }
        return isWhole
            ? nil : "Its timeline was not kept for this moment; flushes that were acknowledged by then are below."
    }

    /// How long its bytes were held so far, by whom, longest first.
    var held: [(holder: Holder, time: Int64)] {
        var times: [Holder: Int64] = [:]
        if let causes = response?.causes {
            for cause in WaitCause.allCases where causes[cause] > 0 {
                times[Holder(cause), default: 0] += causes[cause]
            }
        }
        // What waits now is told of by causes only where no send call came since.
        if waitsNow > 0, holder != .nobody { times[holder] = max(times[holder] ?? 0, waitsNow) }
        return Holder.allCases.compactMap { holder in times[holder].map { (holder, $0) } }
            .sorted { $0.time > $1.time }
    }
}
