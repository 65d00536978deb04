// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceModel

/// Responses of a traced process whose client has gone, and whose tasks have not.
struct GoneResponses {
    /// Goroutine that served them, and their id.
    private var ended: [UInt64: String] = [:]
    private static let most = 4096

    /// Those that left something behind are remembered.
    mutating func take(_ actions: borrowing Actions) {
        for place in actions.settled.indices where actions.settled[place].leftBehind ?? 0 > 0 {
            guard ended.count < Self.most, let task = actions.settled[place].serving else { continue }
            ended[task] = actions.settled[place].id
        }
    }

    /// With those that are open still, because nobody has closed them.
    func all(open responses: [Response]) -> [UInt64: String] {
        var all = ended
        for response in responses where response.leftBehind ?? 0 > 0 {
            if let task = response.serving { all[task] = response.id }
        }
        return all
    }

    /// Those of which no census knows a task any more are forgotten.
    mutating func keep(thoseIn groups: [TaskGroup]) {
        guard !ended.isEmpty else { return }
        let there = Set(groups.flatMap { $0.leftBehindBy ?? [] }.map(\.response))
        ended = ended.filter { there.contains($0.value) }
    }
}
