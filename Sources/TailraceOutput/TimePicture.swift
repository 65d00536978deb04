// SPDX-License-Identifier: MIT
import TailraceModel

/// A server process over the run, as rows of signs: the darker the more.
struct TimePicture {
    private let moments: [ServerMoment]
    private let anchor: ClockAnchor
    private let columns: Int
    private static let signs: [Character] = Array(" .:-=+*#%@")
    private static let most = 72
    private static let labels = 34

    /// `width`: of the lines, columns.
    init(_ insight: ServerInsight, anchor: ClockAnchor, width: Int) {
        moments = insight.history
        self.anchor = anchor
        columns = min(Self.most, moments.count, max(10, width - Self.labels))
    }

    /// Empty where there is nothing to see.
    var lines: [String] {
        guard moments.count >= 2, let first = moments.first, let last = moments.last else { return [] }
        let time = { (at: Nanoseconds) in String(Timestamp.timeOfDay(anchor.wall(at: at)).prefix(8)) }
        let rows = [
            row("unsent", { $0.unsentBytes }, Quantity.size), row("queued", { $0.queuedBytes }, Quantity.size),
            row("in flight", { Int64($0.inFlight) }, Quantity.count),
            row("open tasks", { $0.tasks.map(Int64.init) }, Quantity.count),
            row("latency, plain", { $0.latency }, { Quantity.duration($0) }),
            row("gap, streams", { $0.gap }, { Quantity.duration($0) }),
        ].compactMap { $0 }
        return ["from \(time(first.at)) to \(time(last.at + last.length)); each row by its own largest"] + rows
    }

    /// nil: there is nothing in it.
    private func row(_ name: String, _ value: (ServerMoment) -> Int64?, _ words: (Int64) -> String) -> String? {
        let values = moments.map(value)
        guard let most = values.compactMap({ $0 }).max(), most > 0 else { return nil }
        var signs = ""
        for column in 0..<columns {
            let part = values[(column * values.count / columns)..<((column + 1) * values.count / columns)]
            guard let largest = part.compactMap({ $0 }).max() else {
                signs.append(" ")
                continue
            }
            // Whatever is there shows.
            let level = Double(max(0, largest)) / Double(most) * Double(Self.signs.count - 1)
            signs.append(Self.signs[largest > 0 ? max(1, Int(level.rounded())) : 0])
        }
        return "  \(name.padded(to: 15))|\(signs)| \(words(most)) at most"
    }
}
