// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceDashboard
import TailraceModel

/// Stands here until the views are merged.
struct Snapshot {
    var facts = RunFacts()
    var at: Nanoseconds = 0
    var open: [Response] = []
    var findings: [Finding] = []
}

struct SnapshotBuilder {
    private var watch: Watch
    private(set) var opened = 0
    init(limits: Thresholds) { watch = Watch(limits: limits) }
    mutating func take(_ reading: TaskReading) { watch.take(reading) }
    mutating func take(_ actions: borrowing Actions) {
        opened += watch.take(actions).findings.count { $0.state == .opened }
    }
    mutating func snapshot(at: Nanoseconds, open: [Response], facts: RunFacts) -> Snapshot {
        Snapshot(facts: facts, at: at, open: open, findings: watch.open)
    }
}

enum InterfaceAction {
    case quit, suspend, redraw, record, exportView, exportRow, playPause, faster, slower, nextFinding, previousFinding
    case step(Int)
}

struct InterfaceState {
    mutating func take(_ key: Key, _ snapshot: Snapshot) -> [InterfaceAction] {
        switch key {
        case .character("q"), .interrupt: [.quit]
        case .suspend: [.suspend]
        case .redraw: [.redraw]
        case .character("R"): [.record]
        case .character("e"): [.exportView]
        case .character(" "): [.playPause]
        case .character("+"): [.faster]
        case .character("-"): [.slower]
        case .character("n"): [.nextFinding]
        case .left: [.step(-1)]
        case .right: [.step(1)]
        default: []
        }
    }
}

enum Dashboard {
    static func frame(
        _ snapshot: Snapshot, _ state: InterfaceState, columns: Int, rows: Int, _ capabilities: Capabilities
    ) -> Canvas {
        var canvas = Canvas(columns: columns, rows: rows, capabilities: capabilities)
        let inside = canvas.box(
            canvas.area, title: "tailrace \(snapshot.facts.target)", note: "\(snapshot.open.count) open")
        canvas.put("\(snapshot.facts.ownShare ?? 0) \(snapshot.facts.eventsPerSecond ?? 0)", row: inside.row, column: 1)
        canvas.put(snapshot.facts.message, row: inside.row + 1, column: 1)
        canvas.put("\(snapshot.facts.mode)", row: inside.row + 2, column: 1)
        for (index, response) in snapshot.open.prefix(max(0, inside.height - 3)).enumerated() {
            canvas.put(
                "\(response.server?.comm ?? "-") \(response.target ?? "-")", row: inside.row + 3 + index, column: 1)
        }
        return canvas
    }
}
