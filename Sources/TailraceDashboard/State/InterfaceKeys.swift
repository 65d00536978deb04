// SPDX-License-Identifier: MIT
import TailraceModel

extension InterfaceState {
    /// A key was pressed while `newest` was the newest snapshot.
    ///
    /// - Returns: what it asks of whoever runs the dashboard; what concerns only the picture is done.
    public mutating func take(_ key: Key, _ newest: Snapshot) -> [InterfaceAction] {
        switch key {
        case .interrupt: return [.quit]
        case .suspend: return [.suspend]
        case .redraw: return [.redraw]
        default: break
        }
        if typing != nil {
            type(key)
            return []
        }
        if isHelpShown {
            if key == .character("q") { return [.quit] }
            isHelpShown = false
            return []
        }
        if let actions = replay(key, newest) { return actions }
        let snapshot = shown(newest)
        switch key {
        case .character(let character): return take(character, newest)
        case .up: move(by: -1, in: snapshot)
        case .down: move(by: 1, in: snapshot)
        case .pageUp, .control("u"): move(by: -10, in: snapshot)
        case .pageDown, .control("d"): move(by: 10, in: snapshot)
        case .home: move(by: -Int.max / 2, in: snapshot)
        case .end: move(by: Int.max / 2, in: snapshot)
        case .left: travel(by: -1)
        case .right: travel(by: 1)
        case .tab: focusNext(1)
        case .backTab: focusNext(-1)
        case .enter: open(in: snapshot)
        case .escape, .backspace: back()
        case .function(1): isHelpShown = true
        case .mouse(_, _, .wheelUp): move(by: -3, in: snapshot)
        case .mouse(_, _, .wheelDown): move(by: 3, in: snapshot)
        default: break
        }
        return []
    }

    private mutating func take(_ character: Character, _ newest: Snapshot) -> [InterfaceAction] {
        let snapshot = shown(newest)
        switch character {
        case "q": return [.quit]
        case "R": return [.record]
        case "E": return [.exportView]
        case "y": return [.exportRow]
        case "1", "2", "3", "4", "5": show(DashboardView(rawValue: character.wholeNumberValue ?? 1) ?? .overview)
        case "?", "h": isHelpShown = true
        case " ", "f": freeze(newest)
        case "[": travel(by: -1)
        case "]": travel(by: 1)
        case "k": move(by: -1, in: snapshot)
        case "j": move(by: 1, in: snapshot)
        case "G": move(by: Int.max / 2, in: snapshot)
        case "/" where details.isEmpty: typing = wanted.filter
        case "n": move(by: 1, in: snapshot)
        case "N": move(by: -1, in: snapshot)
        case "a": acknowledge(in: snapshot)
        default: if details.isEmpty { arrange(character) }
        }
        return []
    }

    /// Keys that arrange the rows of the list that keys go to; others are left as they are.
    private mutating func arrange(_ character: Character) {
        switch character {
        case "s" where isSortable: sort()
        case "S" where isSortable, "r" where isSortable:
            if focus == .connections { wanted.isConnectionReversed.toggle() } else { wanted.isReversed.toggle() }
        case "g" where focus == .responses: group()
        case "e": isExpanded.toggle()
        default: break
        }
    }

    /// Keys that mean something else while a recording is shown; nil: this one does not.
    private func replay(_ key: Key, _ newest: Snapshot) -> [InterfaceAction]? {
        guard case .replay = newest.facts.mode else { return nil }
        switch key {
        case .character(" "): return [.playPause]
        case .left: return [.step(-1)]
        case .right: return [.step(1)]
        case .character("+"): return [.faster]
        case .character("-"): return [.slower]
        case .character(">"): return [.nextFinding]
        case .character("<"): return [.previousFinding]
        case .character("n") where wanted.filter.isEmpty: return [.nextFinding]
        case .character("N") where wanted.filter.isEmpty: return [.previousFinding]
        default: return nil
        }
    }

    private mutating func type(_ key: Key) {
        guard var text = typing else { return }
        switch key {
        case .enter:
            wanted.filter = text
            typing = nil
            return
        case .escape:
            wanted.filter = ""
            typing = nil
            return
        case .backspace, .delete: _ = text.popLast()
        case .control("u"): text = ""
        case .character(let character) where text.count < Self.longestFilter: text.append(character)
        default: break
        }
        typing = text
    }

    private mutating func show(_ view: DashboardView) {
        self.view = view
        details = []
        isExpanded = false
        if !view.panes.contains(focus) || focus == .charts { focus = view.panes[0] }
        if view == .responses { focus = .responses }
    }

    private mutating func focusNext(_ step: Int) {
        guard details.isEmpty else { return }
        let panes = view.panes
        let place = panes.firstIndex(of: focus) ?? 0
        focus = panes[(place + step + panes.count) % panes.count]
    }

    /// In a response's detail the next row's detail is shown.
    mutating func move(by step: Int, in snapshot: Snapshot) {
        let rows = rows(of: focus, in: snapshot)
        guard let place = selectedPlace(focus, in: rows) else { return }
        let next = max(0, min(rows.count - 1, place + step))
        select(rows[next], at: next)
        guard !details.isEmpty else { return }
        switch (rows[next], details[details.count - 1]) {
        case (.response(let key), .response): details[details.count - 1] = .response(key)
        case (.finding(let id), .finding): details[details.count - 1] = .finding(id)
        default: break
        }
    }

    private mutating func select(_ row: RowID, at place: Int) {
        selection[focus] = row
        places[focus] = place
    }

    /// By the next column of those that are in sight.
    private mutating func sort() {
        if focus == .connections {
            let orders = ConnectionsList.orders(width: columns)
            let place = orders.firstIndex(of: wanted.connectionOrder) ?? -1
            (wanted.connectionOrder, wanted.isConnectionReversed) = (orders[(place + 1) % orders.count], false)
        } else {
            let orders = OpenList.orders(width: columns)
            let place = orders.firstIndex(of: wanted.order) ?? -1
            (wanted.order, wanted.isReversed) = (orders[(place + 1) % orders.count], false)
        }
    }

    private mutating func group() {
        let all = Grouping.allCases
        let place = all.firstIndex(of: wanted.grouping) ?? 0
        wanted.grouping = all[(place + 1) % all.count]
        selection[.responses] = nil
        places[.responses] = nil
    }

    private mutating func freeze(_ newest: Snapshot) { frozen = frozen == nil ? newest : nil }

    /// Back through what is kept, and on to the newest again.
    private mutating func travel(by step: Int) {
        guard let last = kept.last else { return }
        let now = frozen?.at ?? .max
        if step < 0 {
            frozen = kept.last { $0.at < now && (frozen != nil || $0.at < last.at) } ?? frozen
        } else if frozen != nil {
            frozen = kept.first { $0.at > now }
        }
    }

    private mutating func acknowledge(in snapshot: Snapshot) {
        var id: String?
        if case .finding(let shown)? = details.last { id = shown }
        if id == nil, focus == .findings, case .finding(let selected)? = selected(in: snapshot) { id = selected }
        if id == nil { id = snapshot.findings.first { $0.end == nil && !acknowledged.contains($0.id) }?.id }
        guard let id else { return }
        if acknowledged.remove(id) == nil, acknowledged.count < Self.mostAcknowledged { acknowledged.insert(id) }
    }
}
