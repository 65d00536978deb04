// SPDX-License-Identifier: MIT
import TailraceModel

/// A census in fields, on its way from one process to another: each group begins with its count.
enum EncodedCensus {
    private enum Tag: UInt16 {
        case pid = 1
        case comm, wall, count, provider, state, waitsFor, oldest, isSystem
        case createdBy, runs, waitsAt
        /// Of the place before.
        case file, line
    }

    static func add(_ census: TaskCensus, most: Int, to fields: inout FieldWriter) {
        fields.add(Tag.pid.rawValue, Int64(census.pid))
        fields.add(Tag.comm.rawValue, census.comm)
        fields.add(Tag.wall.rawValue, census.wall)
        for group in census.groups.prefix(most) {
            // What follows is bounded: a name is cut to what a field holds, and a message has room for many.
            guard fields.bytes.count < TaskMessage.longest / 2 else { break }
            add(group, to: &fields)
        }
    }

    private static func add(_ group: TaskGroup, to fields: inout FieldWriter) {
        fields.add(Tag.count.rawValue, Int64(group.count))
        fields.add(Tag.provider.rawValue, group.provider)
        fields.add(Tag.state.rawValue, group.state)
        fields.add(Tag.waitsFor.rawValue, group.waitsFor)
        if let oldest = group.oldest { fields.add(Tag.oldest.rawValue, oldest) }
        if group.isSystem { fields.add(Tag.isSystem.rawValue, UInt64(1)) }
        for (tag, place) in [(Tag.createdBy, group.createdBy), (.runs, group.runs), (.waitsAt, group.waitsAt)] {
            guard let place else { continue }
            fields.add(tag.rawValue, place.function)
            fields.add(Tag.file.rawValue, place.file)
            if let line = place.line { fields.add(Tag.line.rawValue, Int64(line)) }
        }
    }

    /// nil: the list is not whole.
    static func census(_ bytes: UnsafeRawBufferPointer) -> TaskCensus? {
        var draft = Draft()
        guard readFields(bytes, { draft.take($0) }) else { return nil }
        draft.endGroup()
        var census = TaskCensus(pid: draft.pid, comm: draft.comm, wall: draft.wall)
        census.groups = draft.groups
        return census
    }

    private struct Draft {
        private(set) var pid: Int32 = 0
        private(set) var comm = ""
        private(set) var wall: Int64 = 0
        private(set) var groups: [TaskGroup] = []
        private var count = 0
        private var provider = ""
        private var group = TaskGroup(provider: "", count: 0, state: "")
        private var place: WritableKeyPath<TaskGroup, CodePlace?>?
        /// No process has more tasks: sums with it do not overflow.
        private static let most: Int64 = 1 << 40

        mutating func take(_ field: Field) {
            switch Tag(rawValue: field.tag) {
            case .pid: pid = Int32(truncatingIfNeeded: field.signed ?? 0)
            case .comm: comm = field.text
            case .wall: wall = field.signed ?? 0
            case .count:
                endGroup()
                count = Int(min(max(field.signed ?? 0, 1), Self.most))
            case .provider: group = TaskGroup(provider: field.text, count: count, state: "")
            case .state: group.state = field.text
            case .waitsFor: group.waitsFor = field.text
            case .oldest: group.oldest = field.signed.map { min(max($0, 0), 1 << 61 - 1) }
            case .isSystem: group.isSystem = true
            case .createdBy: begin(\.createdBy, field.text)
            case .runs: begin(\.runs, field.text)
            case .waitsAt: begin(\.waitsAt, field.text)
            case .file: extend { CodePlace(function: $0.function, file: field.text, line: $0.line) }
            case .line:
                extend { CodePlace(function: $0.function, file: $0.file, line: field.signed.map { Int($0) }) }
            case nil: break
            }
        }

        private mutating func begin(_ path: WritableKeyPath<TaskGroup, CodePlace?>, _ function: String) {
            place = path
            group[keyPath: path] = CodePlace(function: function)
        }

        private mutating func extend(_ change: (CodePlace) -> CodePlace) {
            guard let place, let known = group[keyPath: place] else { return }
            group[keyPath: place] = change(known)
        }

        mutating func endGroup() {
            if count > 0, group.count > 0 { groups.append(group) }
            (count, place) = (0, nil)
            group = TaskGroup(provider: "", count: 0, state: "")
        }
    }
}
