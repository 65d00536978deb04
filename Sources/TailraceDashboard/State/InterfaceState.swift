// SPDX-License-Identifier: MIT
import TailraceModel

/// Which picture.
public enum DashboardView: Int, CaseIterable, Sendable {
    case overview = 1, responses, connections, tasks, findings

    /// For tabs.
    var name: String {
        switch self {
        case .overview: "overview"
        case .responses: "responses"
        case .connections: "connections"
        case .tasks: "tasks"
        case .findings: "findings"
        }
    }

    /// Lists of it that keys can go to, the usual one first.
    var panes: [Pane] {
        switch self {
        case .overview: [.responses, .findings, .charts]
        case .responses: [.responses, .ended]
        case .connections: [.connections]
        case .tasks: [.servers, .taskGroups]
        case .findings: [.findings]
        }
    }
}

/// A list with a selected row, or pictures.
public enum Pane: Hashable, Sendable {
    case responses, ended, connections, servers, taskGroups, findings, charts

    /// Whether the filter chooses its rows.
    var isFiltered: Bool {
        switch self {
        case .responses, .ended, .connections, .findings: true
        case .servers, .taskGroups, .charts: false
        }
    }
}

/// A row, however rows are sorted.
public enum RowID: Hashable, Sendable {
    case response(ResponseKey)
    case group(String)
    case connection(UInt64)
    case server(Int32)
    case taskGroup(String)
    case finding(String)
}

/// What of one thing is shown, over the view.
public enum Detail: Hashable, Sendable {
    case response(ResponseKey)
    case finding(String)
}

/// What a key asks of whoever runs the dashboard.
public enum InterfaceAction: Equatable, Sendable {
    case quit, suspend, redraw
    /// Begin to record, or end that.
    case record
    /// Save what is shown, or the selected row, for programs.
    case exportView, exportRow
    /// Of a replay.
    case playPause, faster, slower, nextFinding, previousFinding
    /// Seconds, back where negative.
    case step(Int)
}

/// What is shown, and how: pure, changed by keys only.
public struct InterfaceState: Sendable {
    /// Which picture.
    public internal(set) var view = DashboardView.overview
    /// The list that keys go to.
    public internal(set) var focus = Pane.responses
    /// That list takes all the room.
    public internal(set) var isExpanded = false
    /// Things that are shown over the view, the newest last.
    public internal(set) var details: [Detail] = []
    /// The keys are explained.
    public internal(set) var isHelpShown = false
    /// What is typed as a filter; nil: nothing is being typed.
    public internal(set) var typing: String?
    /// Findings that a person has seen.
    public internal(set) var acknowledged: Set<String> = []
    /// Selected rows.
    var selection: [Pane: RowID] = [:]
    /// Where they were, for when they are gone.
    var places: [Pane: Int] = [:]
    /// How rows are chosen and sorted.
    var wanted = SnapshotRequest()
    /// nil: the newest is shown.
    var frozen: Snapshot?
    /// Kept ones, oldest first, a second apart.
    var kept: [Snapshot] = []
    /// Snapshots that are kept for looking back.
    static let mostKept = 60
    /// Width of the picture, in cells: what is not in it is not sorted by.
    public var columns = 160
    /// Longest filter, in characters.
    static let longestFilter = 64
    /// Findings whose acknowledgement is remembered.
    static let mostAcknowledged = 1000

    /// The overview.
    public init() {}

    /// Which rows are wanted.
    public var request: SnapshotRequest {
        var request = wanted
        if let typing { request.filter = typing }
        if case .response(let key)? = details.last { request.detail = key }
        request.wantsTaskGroups = view == .tasks
        return request
    }

    /// Whether what is shown is not the newest.
    public var isFrozen: Bool { frozen != nil }

    /// What is drawn, given the newest.
    public func shown(_ newest: Snapshot) -> Snapshot { frozen ?? newest }

    /// A new snapshot came. It is kept for a minute, so that one can look back.
    public mutating func remember(_ snapshot: Snapshot) {
        if let last = kept.last {
            // A replay that goes back.
            if snapshot.at < last.at { kept = [] } else if snapshot.at - last.at < 900_000_000 { return }
        }
        if kept.count >= Self.mostKept { kept.removeFirst() }
        kept.append(snapshot)
    }
}

extension InterfaceState {
    /// Open responses, filtered and sorted: what is frozen as well as what is new.
    func responses(of snapshot: Snapshot) -> [ResponseRow] {
        let filter = request.filter.lowercased()
        return wanted.order.sorted(snapshot.open.filter { $0.matches(filter) }, isReversed: wanted.isReversed)
    }

    /// The same put together; empty: they are not.
    func groups(of snapshot: Snapshot) -> [GroupRow] {
        guard wanted.grouping != .none else { return [] }
        if snapshot.request.grouping == wanted.grouping, snapshot.request.filter == request.filter {
            return snapshot.groups
        }
        return GroupRow.groups(of: responses(of: snapshot), by: wanted.grouping)
    }

    func ended(of snapshot: Snapshot) -> [ResponseRow] {
        let filter = request.filter.lowercased()
        return snapshot.ended.filter { $0.matches(filter) }
    }

    func connections(of snapshot: Snapshot) -> [SocketRow] {
        let filter = request.filter.lowercased()
        return wanted.connectionOrder.sorted(
            snapshot.connections.filter { $0.matches(filter) }, isReversed: wanted.isConnectionReversed)
    }

    /// How many rows there are of the filter, of which a snapshot has the first only.
    func count(_ rows: Int, _ told: Int, in snapshot: Snapshot) -> Int {
        snapshot.request.filter == request.filter ? max(rows, told) : rows
    }

    /// Whether the list that keys go to has an order to choose.
    var isSortable: Bool { focus == .connections || focus == .responses && wanted.grouping == .none }

    func findings(of snapshot: Snapshot) -> [Finding] {
        let filter = request.filter.lowercased()
        return filter.isEmpty ? snapshot.findings : snapshot.findings.filter { $0.matches(filter, in: snapshot) }
    }

    /// The rows of a list, in the order that they are drawn in.
    func rows(of pane: Pane, in snapshot: Snapshot) -> [RowID] {
        switch pane {
        case .responses:
            wanted.grouping == .none
                ? responses(of: snapshot).map { .response($0.key) }
                : groups(of: snapshot).map { .group($0.name) }
        case .ended: ended(of: snapshot).map { .response($0.key) }
        case .connections: connections(of: snapshot).map { .connection($0.connection.cookie) }
        case .servers: snapshot.servers.map { .server($0.server.pid) }
        case .taskGroups: snapshot.tasks.groups.map { .taskGroup($0.id) }
        case .findings: findings(of: snapshot).map { .finding($0.id) }
        case .charts: []
        }
    }

    /// Where the selected row of a list is now. One that is gone leaves the selection where it was; without one the first row
    /// is selected.
    func selectedPlace(_ pane: Pane, in rows: [RowID]) -> Int? {
        guard !rows.isEmpty else { return nil }
        if let wanted = selection[pane], let place = rows.firstIndex(of: wanted) { return place }
        return min(places[pane] ?? 0, rows.count - 1)
    }

    /// The selected row of the list that keys go to; nil: the list is empty.
    public func selected(in newest: Snapshot) -> RowID? {
        let rows = rows(of: focus, in: shown(newest))
        return selectedPlace(focus, in: rows).map { rows[$0] }
    }
}

extension TaskPicture.Group {
    /// The same group in another census.
    var id: String {
        let place = group.createdBy.map { "\($0.function):\($0.line ?? 0)" } ?? "-"
        return "\(pid) \(group.provider) \(place) \(group.state) \(group.waitsFor ?? "")"
    }
}
