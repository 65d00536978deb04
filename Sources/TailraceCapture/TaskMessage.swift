// SPDX-License-Identifier: MIT
import TailraceModel

/// What the process that traces and the one that reads tasks say to each other.
public enum TaskMessage: Sendable, Equatable {
    /// From now on that server is read too. `started`: ns since boot.
    case watch(pid: Int32, started: Nanoseconds)
    /// How many tasks of a connection are left at `due`.
    case ask(ServingTask, due: Nanoseconds)
    /// Somebody waits for room in a send buffer.
    case askWriters
    /// Somebody looks at the groups.
    case askGroups

    /// Those that were known at the begin are read, or cannot be; so many of them are counted by the user's probe.
    case ready(counted: Int)
    /// What was read.
    case told(TaskEvent)
    /// That process has no goroutines.
    case silent(pid: Int32)
    /// Why tasks are not counted as the user wanted: an exit code, and a sentence.
    case refused(code: Int32, sentence: String)
    /// Groups of one process, the largest of them. Who left them behind is not told.
    case census(TaskCensus)

    /// Bytes of one message; a longer one is not believed.
    static let longest = 1 << 21
    /// Groups of a census.
    static let mostGroups = 2048

    private enum Kind: UInt8 {
        case watch = 1
        case ask, askWriters, askGroups, ready, told, silent, refused, census
    }
    private enum Tag: UInt16 {
        case pid = 1
        case number, time, connection, task, text
    }

    /// Its bytes, with the length before them.
    public func encode(into bytes: inout [UInt8]) {
        var fields = FieldWriter()
        let kind = add(to: &fields)
        withUnsafeBytes(of: UInt32(fields.bytes.count + 1).littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(kind.rawValue)
        bytes.append(contentsOf: fields.bytes)
    }

    private func add(to fields: inout FieldWriter) -> Kind {
        switch self {
        case .watch(let pid, let started):
            fields.add(Tag.pid.rawValue, Int64(pid))
            fields.add(Tag.time.rawValue, started)
            return .watch
        case .ask(let root, let due):
            fields.add(Tag.pid.rawValue, Int64(root.pid))
            fields.add(Tag.connection.rawValue, root.connection)
            fields.add(Tag.task.rawValue, root.task)
            fields.add(Tag.time.rawValue, due)
            return .ask
        case .askWriters: return .askWriters
        case .askGroups: return .askGroups
        case .ready(let counted):
            fields.add(Tag.number.rawValue, Int64(counted))
            return .ready
        case .told(let event):
            RecordedTasks.add(.init(place: 0, event: event), to: &fields)
            return .told
        case .silent(let pid):
            fields.add(Tag.pid.rawValue, Int64(pid))
            return .silent
        case .refused(let code, let sentence):
            fields.add(Tag.number.rawValue, Int64(code))
            fields.add(Tag.text.rawValue, sentence)
            return .refused
        case .census(let census):
            EncodedCensus.add(census, most: Self.mostGroups, to: &fields)
            return .census
        }
    }

    /// What follows the length; nil: it makes no sense.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> TaskMessage? {
        guard let kind = bytes.first.flatMap(Kind.init) else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
        switch kind {
        case .told: return RecordedTasks.entries(rest)?.first.map { .told($0.event) }
        case .census: return EncodedCensus.census(rest).map { .census($0) }
        default: return decode(kind, rest)
        }
    }

    private static func decode(_ kind: Kind, _ bytes: UnsafeRawBufferPointer) -> TaskMessage? {
        var (pid, number, time, connection, task) = (Int32(0), Int64(0), Int64(0), UInt64(0), UInt64(0))
        var text = ""
        let isWhole = readFields(bytes) { field in
            switch Tag(rawValue: field.tag) {
            case .pid: pid = Int32(truncatingIfNeeded: field.signed ?? 0)
            case .number: number = field.signed ?? 0
            case .time: time = min(max(field.signed ?? 0, 0), 1 << 61 - 1)
            case .connection: connection = field.number ?? 0
            case .task: task = field.number ?? 0
            case .text: text = field.text
            case nil: break
            }
        }
        guard isWhole else { return nil }
        switch kind {
        case .watch: return .watch(pid: pid, started: time)
        case .ask: return .ask(ServingTask(connection: connection, pid: pid, task: task), due: time)
        case .askWriters: return .askWriters
        case .askGroups: return .askGroups
        case .ready: return .ready(counted: Int(number))
        case .silent: return .silent(pid: pid)
        case .refused: return .refused(code: Int32(truncatingIfNeeded: number), sentence: text)
        case .told, .census: return nil
        }
    }
}

/// Messages out of a stream of bytes.
public struct TaskMessages {
    private var pending: [UInt8] = []
    /// The other side does not keep to what is agreed: nothing is taken from it any more.
    public private(set) var isBroken = false

    /// Nothing came yet.
    public init() {}

    /// Takes what came, and hands over each message that is whole.
    public mutating func take(_ bytes: UnsafeRawBufferPointer, _ handle: (TaskMessage) -> Void) {
        guard !isBroken else { return }
        pending.append(contentsOf: bytes)
        var begin = 0
        while pending.count - begin >= 4, !isBroken {
            let raw = pending.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: begin, as: UInt32.self) }
            let length = Int(raw.littleEndian)
            guard length <= TaskMessage.longest else {
                isBroken = true
                break
            }
            guard pending.count - begin - 4 >= length else { break }
            let message = pending.withUnsafeBytes {
                TaskMessage.decode(UnsafeRawBufferPointer(rebasing: $0[(begin + 4)..<(begin + 4 + length)]))
            }
            if let message { handle(message) } else { isBroken = true }
            begin += 4 + length
        }
        pending.removeFirst(begin)
    }
}
