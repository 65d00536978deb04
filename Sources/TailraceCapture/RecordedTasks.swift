// SPDX-License-Identifier: MIT
import TailraceModel

/// What was told of tasks, in fields: each entry begins with its place, the number of records that came before it.
enum RecordedTasks {
    private enum Tag: UInt16 {
        case place = 1
        case kind, at, pid, started, provider, open, growing, connection, task, writing
    }
    private enum Kind: UInt64 {
        case counted = 1
        case serving, leftBehind
    }

    /// What was told, behind that many records.
    struct Entry: Equatable {
        let place: UInt64
        let event: TaskEvent
    }

    static func add(_ entry: Entry, to fields: inout FieldWriter) {
        fields.add(Tag.place.rawValue, entry.place)
        switch entry.event {
        case .counted(let reading):
            fields.add(Tag.kind.rawValue, Kind.counted.rawValue)
            fields.add(Tag.at.rawValue, reading.at)
            fields.add(Tag.pid.rawValue, Int64(reading.pid))
            fields.add(Tag.started.rawValue, reading.started)
            fields.add(Tag.provider.rawValue, reading.provider)
            if let open = reading.open { fields.add(Tag.open.rawValue, Int64(open)) }
            fields.add(Tag.growing.rawValue, reading.growing)
            fields.add(Tag.writing.rawValue, reading.writing)
        case .serving(let serving):
            fields.add(Tag.kind.rawValue, Kind.serving.rawValue)
            fields.add(Tag.connection.rawValue, serving.connection)
            fields.add(Tag.pid.rawValue, Int64(serving.pid))
            fields.add(Tag.task.rawValue, serving.task)
        case .leftBehind(let left):
            fields.add(Tag.kind.rawValue, Kind.leftBehind.rawValue)
            fields.add(Tag.connection.rawValue, left.connection)
            fields.add(Tag.at.rawValue, left.at)
            if let count = left.count { fields.add(Tag.open.rawValue, Int64(count)) }
        }
    }

    /// nil: the list is not whole. Entries of a kind that is not known are left out.
    static func entries(_ bytes: UnsafeRawBufferPointer) -> [Entry]? {
        var entries: [Entry] = []
        var draft: Draft?
        let isWhole = readFields(bytes) { field in
            if field.tag == Tag.place.rawValue {
                if let entry = draft?.entry { entries.append(entry) }
                draft = Draft(place: field.number ?? 0)
            } else {
                draft?.take(field)
            }
        }
        guard isWhole else { return nil }
        if let entry = draft?.entry { entries.append(entry) }
        return entries
    }

    private struct Draft {
        let place: UInt64
        private var kind: Kind?
        private var at: Nanoseconds = 0
        private var pid: Int32 = 0
        private var started: Nanoseconds = 0
        private var provider = ""
        private var open: Int?
        private var growing: String?
        private var writing: String?
        private var connection: UInt64 = 0
        private var task: UInt64 = 0
        /// No machine has run for longer, ns, and no process has more tasks: sums with them do not overflow.
        private static let longest: Int64 = 1 << 61 - 1
        private static let most: Int64 = 1 << 40

        init(place: UInt64) { self.place = place }

        mutating func take(_ field: Field) {
            switch Tag(rawValue: field.tag) {
            case .kind: kind = field.number.flatMap(Kind.init)
            case .at: at = Self.time(field)
            case .pid: pid = Int32(truncatingIfNeeded: field.number ?? 0)
            case .started: started = Self.time(field)
            case .provider: provider = field.text
            case .open: open = field.signed.map { Int(min(max($0, 0), Self.most)) }
            case .growing: growing = field.text
            case .writing: writing = field.text
            case .connection: connection = field.number ?? 0
            case .task: task = field.number ?? 0
            case .place, nil: break
            }
        }

        private static func time(_ field: Field) -> Nanoseconds { min(max(field.signed ?? 0, 0), longest) }

        var entry: Entry? {
            switch kind {
            case .counted:
                let reading = TaskReading(
                    pid: pid, started: started, at: at, provider: provider, open: open, growing: growing,
                    writing: writing)
                return Entry(place: place, event: .counted(reading))
            case .serving:
                return Entry(
                    place: place, event: .serving(ServingTask(connection: connection, pid: pid, task: task)))
            case .leftBehind:
                return Entry(
                    place: place, event: .leftBehind(TasksLeft(connection: connection, at: at, count: open)))
            case nil: return nil
            }
        }
    }
}
