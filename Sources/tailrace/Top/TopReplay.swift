// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceCapture
import TailraceDashboard
import TailraceModel
import TailraceOutput

/// A recording, looked at as if it were live: it plays, stands still, steps, and goes back by beginning anew.
final class TopReplay {
    private let choice: RecordingChoice
    private let screen: TopScreen
    private let interval: Nanoseconds
    private let limits: Thresholds
    private let files: SavedFile
    private var pass: ReplayPass
    private let end: Nanoseconds?
    private var cost: OwnCost
    private var isPlaying = true
    private var speed = 1.0
    /// Up to when the recording should be shown.
    private var goal: Nanoseconds
    private var lastClock = readClock(CLOCK_MONOTONIC)
    private var nextLook: Nanoseconds = 0
    /// Ends where the next finding is told, if it is after this many.
    private var awaitedFinding: Int?
    /// On the way to a moment that a key chose: what lies between is not shown.
    private var isSeeking = false
    private var isQuitting = false
    /// Longest time between two looks at the keyboard while much is replayed, ns.
    private static let patience: Nanoseconds = 30_000_000
    private static let speeds = 0.125...1024.0

    /// Opens it; what cannot be read is refused with exit code 65.
    init(
        _ choice: RecordingChoice, screen: TopScreen, interval: Nanoseconds, limits: Thresholds, files: SavedFile
    ) throws {
        self.choice = choice
        self.screen = screen
        self.interval = interval
        self.limits = limits
        self.files = files
        pass = try ReplayPass(choice, limits: limits)
        end = try choice.end()
        goal = pass.begin
        cost = OwnCost(at: lastClock)
    }

    /// Until a key or a signal ends it; at the end of the recording it stands still.
    func show() throws {
        while !isQuitting {
            let clock = readClock(CLOCK_MONOTONIC)
            if isPlaying, awaitedFinding == nil { goal += Nanoseconds(Double(clock - lastClock) * speed) }
            goal = min(goal, max(pass.begin, end ?? .max))
            lastClock = clock
            let isThere = try advance()
            if isThere, pass.isAtEnd { isPlaying = false }
            if isThere, isSeeking { (isSeeking, nextLook) = (false, 0) }
            if clock >= nextLook || isThere && awaitedFinding == nil && !isPlaying && nextLook > clock + interval {
                look(at: clock)
            }
            for action in screen.wait(isThere ? 20_000_000 : 0) { try take(action) }
        }
        screen.leave()
    }

    /// On to `goal`, for a moment at most. True: it is reached.
    private func advance() throws -> Bool {
        let deadline = readClock(CLOCK_MONOTONIC) + Self.patience
        // Its end is only known to have been reached when nothing more comes.
        let isToEnd = goal >= end ?? .max
        while !pass.isAtEnd, isToEnd || pass.now < goal || awaitedFinding != nil {
            try pass.step()
            if let awaited = awaitedFinding, pass.findings > awaited {
                awaitedFinding = nil
                goal = pass.now
                return true
            }
            if readClock(CLOCK_MONOTONIC) > deadline { return false }
        }
        if pass.isAtEnd { awaitedFinding = nil }
        return true
    }

    private func look(at clock: Nanoseconds) {
        nextLook = clock + interval
        var facts = pass.facts
        if let measured = cost.measure(at: clock, events: facts.loss.delivered) { facts.ownShare = measured.share }
        facts.ownBytes = cost.residentBytes
        facts.message = screen.message(at: clock)
        facts.mode = .replay(
            ReplayPosition(
                begin: pass.begin, end: end, at: isSeeking ? goal : pass.now, speed: speed, isPlaying: isPlaying,
                isAtEnd: pass.isAtEnd, isSeeking: isSeeking))
        guard isSeeking, var before = screen.snapshot else {
            return screen.show(pass.snapshot(facts, screen.state.request))
        }
        (before.facts.mode, before.facts.message) = (facts.mode, facts.message)
        screen.show(before)
    }

    private func take(_ action: InterfaceAction) throws {
        switch action {
        case .quit: isQuitting = true
        case .playPause:
            // From its end it begins anew.
            if !isPlaying, pass.isAtEnd { try seek(to: pass.begin) }
            isPlaying.toggle()
        case .faster: speed = min(Self.speeds.upperBound, speed * 2)
        case .slower: speed = max(Self.speeds.lowerBound, speed / 2)
        case .step(let count):
            isPlaying = false
            try seek(to: pass.now + Nanoseconds(count) * 1_000_000_000)
        case .nextFinding:
            isPlaying = false
            awaitedFinding = pass.findings
        case .previousFinding: try seekPreviousFinding()
        case .exportView: save(screen.viewJSON, "what is shown")
        case .exportRow: save(screen.rowJSON, "the selected row")
        case .record: screen.say("this is a recording already: \(choice.path)", at: lastClock)
        default: break
        }
        nextLook = 0
    }

    private func seek(to time: Nanoseconds) throws {
        awaitedFinding = nil
        goal = max(pass.begin, min(time, end ?? time))
        if goal < pass.now { pass = try ReplayPass(choice, limits: limits) }
        isSeeking = true
    }

    /// Where the finding before the newest one was told.
    private func seekPreviousFinding() throws {
        isPlaying = false
        guard let time = pass.findingTimes.last(where: { $0 < pass.now - 1_000_000_000 }) else {
            return screen.say("no finding is before this moment", at: lastClock)
        }
        try seek(to: time)
    }

    private func save(_ bytes: [UInt8]?, _ what: String) {
        guard let bytes else { return screen.say("nothing is selected, so nothing was saved", at: lastClock) }
        screen.say(files.save(bytes, what: what, wall: ClockAnchor.now().wall(at: lastClock)), at: lastClock)
    }
}
