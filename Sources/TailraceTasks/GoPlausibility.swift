// SPDX-License-Identifier: MIT

/// Looks whether what was read can be the runtime that its version promises. Nothing is believed before.
struct GoPlausibility {
    private let runtime: GoRuntime
    /// Looks before a flaw is told: a busy process is read in the middle of its changes.
    private static let attempts = 3

    init(_ runtime: GoRuntime) { self.runtime = runtime }

    /// What is wrong; nil: nothing.
    func flaw() throws(TaskError) -> String? {
        var flaw: String?
        for _ in 0..<Self.attempts {
            flaw = try look()
            if flaw == nil { return nil }
        }
        return flaw
    }

    private func look() throws(TaskError) -> String? {
        var ids: Set<UInt64> = []
        var starts: Set<UInt64> = []
        var all: [Goroutine] = []
        var flaw: String?
        let isWhole = runtime.forEachGoroutine { goroutine in
            if Goroutine.name(ofStatus: goroutine.status) == nil {
                flaw = "a goroutine's status is \(goroutine.status)"
            }
            if goroutine.id == 0 || !ids.insert(goroutine.id).inserted { flaw = "a goroutine's id is not its own" }
            starts.insert(goroutine.startsAt)
            all.append(goroutine)
        }
        guard isWhole else { return "goroutines that cannot be read" }
        if let flaw { return flaw }
        let functions = try runtime.functions(at: starts)
        for start in starts {
            guard let function = functions[start], runtime.isEntry(function, at: start) else {
                return "a goroutine starts where no function does"
            }
        }
        guard let count = runtime.count() else { return "the count of goroutines" }
        let walked = all.count { goroutine in
            functions[goroutine.startsAt].map { !runtime.isSystem(goroutine, function: $0.place.function) } ?? false
        }
        // It goes on between the two.
        return abs(walked - count) <= 64 + count / 4 ? nil : "\(count) goroutines counted, \(walked) found"
    }
}
