// SPDX-License-Identifier: MIT
import TailraceModel

/// Ended responses that wait until somebody has counted what they left behind: a bounded number, for a bounded time.
struct HeldResponses {
    private var responses: [UInt64: Response] = [:]
    /// Which of them wait, by connection, the oldest first.
    private var waiting: [UInt64: [UInt64]] = [:]
    private var newest: UInt64 = 0
    /// Beyond that nobody waits: those are told at once.
    private static let most = 10_000
    /// An answer that takes longer never comes, ns.
    private static let patience: Nanoseconds = TaskQuestions.grace + 5_000_000_000

    /// False: there is no room.
    mutating func add(_ response: Response) -> Bool {
        guard responses.count < Self.most else { return false }
        newest += 1
        responses[newest] = response
        waiting[response.connection.cookie, default: []].append(newest)
        return true
    }

    /// Those that ended before it was counted.
    mutating func take(answeredBy left: TasksLeft) -> [Response] {
        guard let tokens = waiting[left.connection] else { return [] }
        return take(tokens.filter { token in responses[token].map { $0.end <= left.at } ?? true })
    }

    /// Those that have waited in vain.
    mutating func takeOverdue(at time: Nanoseconds) -> [Response] {
        guard !responses.isEmpty else { return [] }
        return take(responses.filter { time - $0.value.end > Self.patience }.map(\.key).sorted())
    }

    mutating func takeAll() -> [Response] { take(responses.keys.sorted()) }

    private mutating func take(_ tokens: [UInt64]) -> [Response] {
        tokens.compactMap { token in
            guard let response = responses.removeValue(forKey: token) else { return nil }
            let cookie = response.connection.cookie
            waiting[cookie]?.removeAll { $0 == token }
            if waiting[cookie]?.isEmpty == true { waiting[cookie] = nil }
            return response
        }
    }
}
