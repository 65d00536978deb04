// SPDX-License-Identifier: MIT
import TailraceModel

/// What was lost lately: what a run lost once does not make it worse for ever. Pure: the time is passed in.
public struct RecentLoss: Sendable {
    /// What lately is, ns.
    public static let window: Nanoseconds = 300_000_000_000
    /// Between two marks, ns.
    static let step: Nanoseconds = 10_000_000_000

    private struct Mark {
        let at: Nanoseconds
        let loss: Loss
    }
    /// The first one is as old as the window, or of the begin.
    private var marks: [Mark] = []

    /// Nothing known yet.
    public init() {}

    /// The counters as they are. To be called once a second or so.
    public mutating func take(_ loss: Loss, at now: Nanoseconds) {
        if let last = marks.last, now - last.at < Self.step { return }
        marks.append(Mark(at: now, loss: loss))
        while marks.count > 1, now - marks[1].at >= Self.window { marks.removeFirst() }
    }

    /// Of the counters as they are now, what came within the window.
    public func of(_ loss: Loss, at now: Nanoseconds) -> Loss {
        // Of marks that nobody has taken away yet, too.
        let base = marks.last { now - $0.at >= Self.window } ?? marks.first
        return base.map { loss.since($0.loss) } ?? loss
    }
}
