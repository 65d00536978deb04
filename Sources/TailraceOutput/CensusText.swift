// SPDX-License-Identifier: MIT
import TailraceModel

/// A census for people: the counts, then a table for each provider that groups its tasks.
public struct CensusText {
    private let width: Int

    /// `width`: of the terminal, columns.
    public init(width: Int) { self.width = width }

    /// All of it.
    public func text(_ census: TaskCensus) -> String {
        var text =
            "\(Sanitizer.visible(census.comm)) (pid \(census.pid)) at \(Timestamp.timeOfDay(census.wall)) UTC\n\n"
        for count in census.counts {
            let open = count.open.map { Quantity.count(Int64($0)) } ?? "-"
            let remark = count.remark.map { "  " + Sanitizer.visible($0) } ?? ""
            text += "  \(count.provider.padded(to: 10))\(open.rightAligned(to: 9))\(remark)\n"
        }
        if let connections = census.connections { text += "\n" + sentence(connections) }
        for provider in TaskCount.providers {
            let groups = census.groups.filter { $0.provider == provider }
            if !groups.isEmpty { text += "\n" + table(groups, provider) }
        }
        return text
    }

    private func sentence(_ count: ConnectionCount) -> String {
        var text = "  \(count.established) connections established"
        if count.clientGone > 0 { text += "; \(count.clientGone) whose client has gone (CLOSE_WAIT)" }
        if count.closedHeld > 0 { text += "; \(count.closedHeld) closed, and their descriptors still held" }
        return text + "\n"
    }

    private func table(_ groups: [TaskGroup], _ provider: String) -> String {
        guard provider != Self.threads else { return threads(groups) }
        let places = Column.allCases
        let left = groups.flatMap { $0.leftBehindBy ?? [] }
        var table = TextTable(
            [.number("COUNT")] + (left.isEmpty ? [] : [.number("LEFT BEHIND")])
                + places.map { .text($0.rawValue, gives: $0 == .created) } + [.number("OLDEST")])
        for group in groups.filter({ !$0.isSystem }) {
            let marked = group.leftBehindBy?.reduce(0) { $0 + $1.count } ?? 0
            table.add(
                [Quantity.count(Int64(group.count))]
                    + (left.isEmpty ? [] : [marked > 0 ? Quantity.count(Int64(marked)) : "-"])
                    + places.map { $0.cell(group) } + [Quantity.duration(group.oldest)])
        }
        let system = groups.filter(\.isSystem).reduce(0) { $0 + $1.count }
        let own = system > 0 ? "  and \(system) of the runtime itself\n" : ""
        return Self.title(provider) + "\n" + table.text(width: width) + own + sentence(left)
    }

    private func sentence(_ left: [TasksOfResponse]) -> String {
        let responses = Set(left.map(\.response)).sorted()
        guard let first = responses.first else { return "" }
        let tasks = left.reduce(0) { $0 + $1.count }
        let others = responses.count > 1 ? " and \(responses.count - 1) more" : ""
        return "  \(tasks) left behind by \(responses.count == 1 ? "a response" : "responses") whose client has gone: "
            + Sanitizer.visible(first) + others + "\n"
    }

    private static let threads = "threads"

    private static func title(_ provider: String) -> String {
        switch provider {
        case "go": "GOROUTINES"
        case "swift": "SWIFT TASKS"
        case "uprobe": "TASKS"
        default: "THREADS"
        }
    }

    private enum Column: String, CaseIterable {
        case created = "CREATED BY"
        case waits = "WAITS FOR"
        case place = "AT"

        func cell(_ group: TaskGroup) -> String {
            switch self {
            case .created: CensusText.words(group.createdBy ?? group.runs)
            case .waits: Sanitizer.visible(group.waitsFor ?? group.state)
            case .place: CensusText.words(group.waitsAt)
            }
        }
    }

    private func threads(_ groups: [TaskGroup]) -> String {
        var table = TextTable([.number("COUNT"), .text("NAME", gives: true), .text("STATE"), .text("IN")])
        for group in groups {
            table.add([
                Quantity.count(Int64(group.count)), Sanitizer.visible(group.runs?.function ?? "-"), group.state,
                Sanitizer.visible(group.waitsFor ?? "-"),
            ])
        }
        return "THREADS\n" + table.text(width: width)
    }

    /// `main.stream (server.go:41)`.
    private static func words(_ place: CodePlace?) -> String {
        place.map { Sanitizer.visible($0.words) } ?? "-"
    }
}
