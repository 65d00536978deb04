// SPDX-License-Identifier: MIT
import Glibc
import TailraceAnalysis
import TailraceDashboard
import TailraceModel

/// The dashboard of that day as `tailrace top` makes it, two pictures a second, and what they cost: from what is known to the bytes for a
/// terminal that is there only in thought.
final class Pictures {
    private var builder = SnapshotBuilder()
    private var state = InterfaceState()
    private var writer = FrameWriter()
    private var snapshot = Snapshot()
    private let size: (columns: Int, rows: Int)
    private let capabilities = Capabilities()
    /// Processor time of all pictures, ns.
    private(set) var spent: Int64 = 0
    /// Bytes of each, but the first.
    private(set) var bytes: [Int] = []
    /// From a key to the bytes of its picture, ns on the clock.
    private(set) var keyTimes: [Int64] = []
    /// What a person presses: each view, and what is done there.
    private static let keys: [Key] = [
        .character("2"), .down, .down, .character("s"), .character("r"), .enter, .escape, .character("g"),
        .character("g"),
        .character("3"), .pageDown, .character("4"), .tab, .character("5"), .character("?"), .escape, .character("1"),
        .character(" "), .character("["), .character("]"), .character(" "),
    ]
    private var pressed = 0

    init(columns: Int, rows: Int) { size = (columns, rows) }

    func take(_ actions: borrowing Actions) { builder.take(actions) }

    /// What a look at the screen costs: a picture, and a key with its own.
    func look(at now: Nanoseconds, _ open: (UInt64) -> [Response]) {
        let begin = cpuTime()
        snapshot = builder.snapshot(at: now, facts: RunFacts(), request: state.request, open: open)
        state.remember(snapshot)
        let count = draw()
        spent += cpuTime() - begin
        if keyTimes.isEmpty { writer.invalidate() } else { bytes.append(count) }
        press(Self.keys[pressed % Self.keys.count])
        pressed += 1
    }

    private func press(_ key: Key) {
        let begin = wallTime()
        _ = state.take(key, snapshot)
        _ = draw()
        keyTimes.append(wallTime() - begin)
    }

    private func draw() -> Int {
        writer.bytes(
            for: Dashboard.frame(snapshot, state, columns: size.columns, rows: size.rows, capabilities)
        ).count
    }
}

func wallTime() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
