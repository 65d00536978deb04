// SPDX-License-Identifier: MIT

/// A server process over a part of a run: as it was looked at, once or several times.
public struct ServerMoment: Sendable, Equatable {
    /// Its begin.
    public var at: Nanoseconds = 0
    /// ns.
    public var length: Int64 = 0
    /// The most responses in flight at a look.
    public var inFlight = 0
    /// The most open tasks; nil: nobody counted them.
    public var tasks: Int?
    /// The largest sum of `sk_wmem_queued`.
    public var queuedBytes: Int64 = 0
    /// The largest sum of `write_seq - snd_nxt`.
    public var unsentBytes: Int64 = 0
    /// The longest that an unsent byte had waited, ns.
    public var oldestUnsent: Int64 = 0
    /// Plain responses that ended, and whose latency is known.
    public var responses: Int64 = 0
    /// Median of their durations, ns; of several looks the mean of the medians; nil: none ended.
    public var latency: Int64?
    /// Gaps between flushes of streaming responses that are known.
    public var gaps: Int64 = 0
    /// Their mean at the server, ns; nil: there were none.
    public var gap: Int64?

    /// Nothing seen.
    public init() {}

    /// This one and the one behind it, as one.
    public func joined(with later: ServerMoment) -> ServerMoment {
        var both = self
        both.length = length.sum(with: later.length)
        both.inFlight = max(inFlight, later.inFlight)
        both.tasks = [tasks, later.tasks].compactMap { $0 }.max()
        both.queuedBytes = max(queuedBytes, later.queuedBytes)
        both.unsentBytes = max(unsentBytes, later.unsentBytes)
        both.oldestUnsent = max(oldestUnsent, later.oldestUnsent)
        (both.responses, both.latency) = Self.mean(responses, latency, later.responses, later.latency)
        (both.gaps, both.gap) = Self.mean(gaps, gap, later.gaps, later.gap)
        return both
    }

    private static func mean(_ count: Int64, _ value: Int64?, _ more: Int64, _ other: Int64?) -> (Int64, Int64?) {
        guard let value else { return (more, other) }
        guard let other else { return (count, value) }
        let (left, right) = (Double(count), Double(more))
        let sum = Double(value) * left + Double(other) * right
        return (count.sum(with: more), Int64(nearest: sum / max(1, left + right)))
    }
}

/// What a server does time after time.
public enum Habit: String, Sendable, CaseIterable {
    /// How long its plain responses take.
    case latency
    /// The gaps between the flushes of its streaming ones.
    case gap
}

/// A habit that changed for good, as far as the run tells.
public struct HabitChange: Sendable, Equatable {
    /// Which.
    public let habit: Habit
    /// Since when.
    public let at: Nanoseconds
    /// The median of what it was since the change before, ns.
    public let before: Int64
    /// The median of what it is until the next change, ns.
    public let after: Int64
    /// How likely so large a change is by chance.
    public let probability: Double

    /// All of it.
    public init(habit: Habit, at: Nanoseconds, before: Int64, after: Int64, probability: Double) {
        self.habit = habit
        self.at = at
        self.before = before
        self.after = after
        self.probability = probability
    }

    /// How many times what it was.
    public var factor: Double { Double(after) / Double(max(1, before)) }
}
