// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceDashboard
import TailraceModel
import TailraceOutput

/// The terminal, and what is shown on it: from keys to the state of the interface, from snapshots to frames.
final class TopScreen {
    private let terminal: Terminal
    private let capabilities: TailraceDashboard.Capabilities
    private(set) var state = InterfaceState()
    /// The newest.
    private(set) var snapshot: Snapshot?
    /// What is shown is older than what is known.
    private var isStale = false
    /// One sentence about the last thing that was done, and until when it is shown.
    private var message = ""
    private var messageEnd: Nanoseconds = 0
    private static let messageTime: Nanoseconds = 8_000_000_000

    init(_ terminal: Terminal, _ capabilities: TailraceDashboard.Capabilities) {
        self.terminal = terminal
        self.capabilities = capabilities
        terminal.enter()
    }

    /// Gives the terminal back.
    func leave() { terminal.leave() }

    /// From now on this is what is known.
    func show(_ snapshot: Snapshot) {
        self.snapshot = snapshot
        state.remember(snapshot)
        isStale = true
        draw()
    }

    /// Says something, for some seconds.
    func say(_ sentence: String, at now: Nanoseconds) {
        message = sentence
        messageEnd = now + Self.messageTime
        snapshot?.facts.message = sentence
        isStale = true
        draw()
    }

    /// What was said, as long as it is new.
    func message(at now: Nanoseconds) -> String { now < messageEnd ? message : "" }

    /// Waits for keys for at most `timeout` ns, and returns at the first one.
    ///
    /// - Returns: what they ask for; what concerns only the picture is done.
    func wait(_ timeout: Nanoseconds) -> [InterfaceAction] {
        var wanted: [InterfaceAction] = []
        for event in terminal.wait(timeout) {
            switch event {
            case .ended: wanted.append(.quit)
            case .resized: isStale = true
            case .key(let key):
                isStale = true
                wanted += take(key)
            }
        }
        draw()
        return wanted
    }

    /// What is shown, for programs.
    var viewJSON: [UInt8]? { snapshot.map { SnapshotJSON.whole(state.shown($0)) } }

    /// The selected row, for programs; nil: none is.
    var rowJSON: [UInt8]? {
        guard let newest = snapshot else { return nil }
        let shown = state.shown(newest)
        let anchor = shown.facts.anchor
        switch state.selected(in: newest) {
        case .response(let key)?:
            return (shown.open + shown.ended).first { $0.key == key }.map { SnapshotJSON.row($0, anchor: anchor) }
        case .connection(let cookie)?:
            return shown.connections.first { $0.connection.cookie == cookie }.map {
                SnapshotJSON.row($0, anchor: anchor)
            }
        case .server(let pid)?: return shown.servers.first { $0.server.pid == pid }.map { SnapshotJSON.row($0) }
        case .finding(let id)?:
            return shown.findings.first { $0.id == id }.map { SnapshotJSON.row($0, anchor: anchor) }
        case .group, .taskGroup, nil: return nil
        }
    }

    private func take(_ key: Key) -> [InterfaceAction] {
        guard let snapshot else { return key == .interrupt || key == .character("q") ? [.quit] : [] }
        var wanted: [InterfaceAction] = []
        state.columns = terminal.size.columns
        for action in state.take(key, snapshot) {
            switch action {
            case .suspend: terminal.suspend()
            case .redraw: terminal.invalidate()
            default: wanted.append(action)
            }
        }
        return wanted
    }

    /// Not before the last frame is written whole: a slow terminal gets fewer of them, not old ones.
    private func draw() {
        guard isStale, !terminal.isBusy, let snapshot else { return }
        isStale = false
        let size = terminal.size
        terminal.show(
            Dashboard.frame(snapshot, state, columns: size.columns, rows: size.rows, capabilities))
    }
}
