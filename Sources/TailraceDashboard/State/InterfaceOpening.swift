// SPDX-License-Identifier: MIT
import TailraceModel

extension InterfaceState {
    /// Enter: what the selected row, or what is shown, leads to.
    mutating func open(in snapshot: Snapshot) {
        if case .finding(let id)? = details.last {
            if let key = snapshot.findings.first(where: { $0.id == id })?.response(in: snapshot) {
                details.append(.response(key))
            }
            return
        }
        guard details.isEmpty else { return }
        let rows = rows(of: focus, in: snapshot)
        guard let place = selectedPlace(focus, in: rows) else { return }
        (selection[focus], places[focus]) = (rows[place], place)
        switch rows[place] {
        case .response(let key): details.append(.response(key))
        case .finding(let id): details.append(.finding(id))
        case .connection(let cookie):
            let row = snapshot.connections.first { $0.connection.cookie == cookie }
            details.append(.response(row?.response ?? ResponseKey(cookie: cookie, number: 0)))
        case .group(let name): openGroup(name, in: snapshot)
        case .server(let pid):
            view = .responses
            focus = .responses
            wanted.filter = "[\(pid)]"
        case .taskGroup: isExpanded.toggle()
        }
    }

    /// Its members.
    private mutating func openGroup(_ name: String, in snapshot: Snapshot) {
        guard let group = groups(of: snapshot).first(where: { $0.name == name }) else { return }
        let isServer = wanted.grouping == .server
        wanted.grouping = .none
        wanted.filter = String((isServer ? String(name.prefix { $0 != "]" }) + "]" : name).prefix(Self.longestFilter))
        (selection[.responses], places[.responses]) = (.response(group.worst), nil)
    }

    /// Escape: one step back.
    mutating func back() {
        if !details.isEmpty {
            details.removeLast()
        } else if isExpanded {
            isExpanded = false
        } else if !wanted.filter.isEmpty {
            wanted.filter = ""
        } else if wanted.grouping != .none {
            wanted.grouping = .none
        } else if frozen != nil {
            frozen = nil
        } else {
            view = .overview
            focus = .responses
        }
    }
}

extension Finding {
    /// Whether it, its server, its client or its response holds that text, which is in lower case.
    func matches(_ filter: String, in snapshot: Snapshot) -> Bool {
        if anomaly.rawValue.contains(filter) || summary.lowercased().contains(filter) { return true }
        if "\(server.comm)[\(server.pid)]".lowercased().contains(filter) { return true }
        if connection?.remote.description.contains(filter) ?? false { return true }
        guard let key = response(in: snapshot) else { return false }
        return snapshot.open.first { $0.key == key }?.matches(filter)
            ?? snapshot.ended.first { $0.key == key }?.matches(filter) ?? false
    }

    /// The response that it is about; nil: no single one, or it is not known.
    func response(in snapshot: Snapshot) -> ResponseKey? {
        for evidence in evidence where evidence.name.description == "response" {
            if case .text(let id?) = evidence.value, let key = ResponseKey(id: id) { return key }
        }
        guard let cookie = connection?.cookie else { return nil }
        let open = snapshot.open.first { $0.key.cookie == cookie }?.key
        return open ?? snapshot.ended.first { $0.key.cookie == cookie }?.key ?? ResponseKey(cookie: cookie, number: 0)
    }
}
