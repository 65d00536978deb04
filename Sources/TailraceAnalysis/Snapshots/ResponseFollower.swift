// SPDX-License-Identifier: MIT
import TailraceModel

/// Follows a few responses, so that their last flushes can be told: those that wait longest, and the one that a person looks at.
struct ResponseFollower {
    /// Flushes of all responses that are kept, and of each that is followed.
    private static let most = 4096
    private static let mostFollowed = 64
    /// Responses that are followed.
    private static let mostResponses = 32
    /// From when on a wait is followed, ns.
    private static let shortest: Int64 = 100_000_000
    private var recent: [Flush] = []
    private var next = 0
    private var followed: [ResponseKey: [Flush]] = [:]
    /// The one that a person looks at.
    private var key: ResponseKey?
    private var unsent: [Double?] = []
    private var last: Response?

    mutating func add(_ flush: Flush) {
        if recent.count < Self.most {
            recent.append(flush)
        } else {
            recent[next] = flush
            next = (next + 1) % Self.most
        }
        guard !followed.isEmpty else { return }
        let key = ResponseKey(cookie: flush.connection, number: flush.number)
        if followed[key] != nil { append(flush, to: key) }
    }

    private mutating func append(_ flush: Flush, to key: ResponseKey) {
        if followed[key]?.count ?? 0 >= Self.mostFollowed { followed[key]?.removeFirst() }
        followed[key]?.append(flush)
    }

    mutating func add(_ response: borrowing Response) {
        if let key, response.connection.cookie == key.cookie, response.number == key.number { last = copy response }
    }

    mutating func look(_ windows: [ServerWindow]) {
        var longest = Largest<Waiting>(capacity: Self.mostResponses)
        for window in windows {
            // Who waits has a response in the making.
            for connection in window.connections where connection.wait >= Self.shortest {
                longest.add(Waiting(wait: connection.wait, key: connection.key))
            }
        }
        var wanted = Set(longest.sorted.map(\.key))
        if let key { wanted.insert(key) }
        for key in followed.keys where !wanted.contains(key) { followed[key] = nil }
        follow(wanted.filter { followed[$0] == nil })
        guard let key else { return }
        if unsent.count >= SecondRing.length { unsent.removeFirst() }
        let connection = windows.lazy.flatMap(\.connections).first { $0.isOpen && $0.key == key }
        unsent.append(connection.map { Double($0.sample.unsentBytes) })
    }

    private struct Waiting: Comparable {
        let wait: Int64
        let key: ResponseKey
        static func < (left: Waiting, right: Waiting) -> Bool {
            (left.wait, right.key.cookie) < (right.wait, left.key.cookie)
        }
    }

    /// With what of them is remembered.
    private mutating func follow(_ keys: Set<ResponseKey>) {
        guard !keys.isEmpty else { return }
        for key in keys { followed[key] = [] }
        for flush in recent[next...] + recent[..<next] {
            let key = ResponseKey(cookie: flush.connection, number: flush.number)
            if keys.contains(key) { append(flush, to: key) }
        }
    }

    /// What is known of it; from now on it is followed.
    mutating func detail(_ wanted: ResponseKey) -> ResponseDetail {
        if key != wanted {
            key = wanted
            (unsent, last) = ([], nil)
            if followed[wanted] == nil { follow([wanted]) }
        }
        var detail = ResponseDetail(key: wanted)
        (detail.flushes, detail.unsent, detail.response) = (followed[wanted] ?? [], unsent, last)
        return detail
    }
}
