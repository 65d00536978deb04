// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel
import Testing

@testable import TailraceCapture

@Suite("Tasks in a recording")
struct RecordedTasksTests {
    private let directory: ScratchDirectory
    private let sample: RecordingSample

    init() throws {
        directory = try ScratchDirectory()
        sample = try RecordingSample(tellsTasks: true)
    }

    /// What is told of tasks, and how many records came before it.
    private func tasks(in replayed: Replayed) -> [String] {
        var records = 0
        return replayed.events.compactMap { event in
            guard event.hasPrefix("task ") else {
                records += 1
                return nil
            }
            return "\(records) \(event)"
        }
    }

    private var expected: [String] { sample.tasks.map { "\($0.place) task \($0.event)" } }

    @Test("come back as they were told, each at its place among the records")
    func roundTrip() {
        let replayed = Replayed(directory.write(sample.bytes))
        #expect(replayed.account.isWhole && replayed.error == nil)
        #expect(tasks(in: replayed) == expected && expected.count == sample.records.count)
        #expect(replayed.events.count == 2 * sample.records.count)
        #expect(ReadBack(directory.write(sample.bytes)).records == sample.records)
    }

    @Test("cut at any byte, those of the whole blocks are told, and those whose records are missing too")
    func cut() {
        let path = directory.write(sample.bytes)
        for length in stride(from: sample.bytes.count - 1, through: 0, by: -1) {
            truncate(path, off_t(length))
            let whole = sample.blocks.filter { $0.offset + Int($0.header.length) <= length }
            let blocks = whole.filter { $0.header.kind == RecordingFormat.Kind.tasks.rawValue }
            let told = Replayed(path).events.filter { $0.hasPrefix("task ") }
            let count = blocks.reduce(0) { $0 + Int($1.header.count) }
            #expect(told == sample.tasks.prefix(count).map { "task \($0.event)" })
        }
    }

    @Test("with a byte of any block wrong, at most those of that block are lost, and all others are at their place")
    func damaged() throws {
        for (number, block) in sample.blocks.enumerated() {
            var bytes = sample.bytes
            bytes[block.offset + Int(block.header.length) / 2] ^= 0x10
            let replayed = Replayed(directory.write(bytes))
            let told = replayed.events.filter { $0.hasPrefix("task ") }
            let isOwn = block.header.kind == RecordingFormat.Kind.tasks.rawValue
            #expect(told.count == sample.tasks.count - (isOwn ? Int(block.header.count) : 0), "block \(number)")
            #expect(Set(told).isSubset(of: Set(sample.tasks.map { "task \($0.event)" })))
            #expect(replayed.account.missingBlocks == 1 || number == sample.blocks.count - 1)
            guard block.header.kind == RecordingFormat.Kind.records.rawValue else {
                #expect(Set(tasks(in: replayed)).isSubset(of: Set(expected)), "block \(number)")
                continue
            }
            // They keep their order: those behind the gap come as many records later as were before.
            let order = sample.tasks.map { "task \($0.event)" }
            #expect(told == order, "block \(number)")
        }
    }

    @Test("a server that sends nothing is told of too")
    func quiet() throws {
        let path = directory.file("q")
        let writer = try RecordingWriter(
            path: path, description: RecordingDescription(), longest: 1 << 20, redactor: WholePayload(), say: { _ in })
        for second in 1...3 {
            let time = Nanoseconds(second) * 1_000_000_000
            writer.take(
                .counted(TaskReading(pid: 1, started: 2, at: time, provider: "go", open: second)))
            writer.tick(at: time, anchor: ClockAnchor(monotonic: time, wall: time), loss: { Loss() })
        }
        writer.finish(at: 4_000_000_000, anchor: ClockAnchor(monotonic: 1, wall: 1), loss: Loss())
        let replayed = Replayed(path)
        #expect(replayed.events.count == 3 && replayed.account.isWhole)
    }

    @Test("a recording that begins late has what was known by then: the newest counts, and who serves what is open")
    func late() throws {
        let path = directory.file("late")
        let late = LateRecording(mostSockets: 100)
        var maker = WireMaker(seed: 5)
        let (open, closed) = (maker.connection(3, requests: 1), maker.connection(4, requests: 1))
        open[0].withUnsafeBytes { late.take($0) }
        closed[0].withUnsafeBytes { late.take($0) }
        func counted(_ pid: Int32, _ open: Int?, at: Nanoseconds) -> TaskEvent {
            .counted(TaskReading(pid: pid, started: 77, at: at, provider: "go", open: open))
        }
        let serving = [3, 4].map { TaskEvent.serving(ServingTask(connection: $0, pid: 42, task: 100 + $0)) }
        let counts = [counted(42, 5, at: 1), counted(42, 6, at: 2), counted(43, 7, at: 3), counted(43, nil, at: 4)]
        for told in serving + counts { late.take(told) }
        for record in closed.dropFirst() { record.withUnsafeBytes { late.take($0) } }
        let writer = try RecordingWriter(
            path: path, description: RecordingDescription(), longest: 1 << 20, redactor: WholePayload(), say: { _ in })
        let handle = late.begin(writer, at: 5)
        late.take(counted(42, 8, at: 5))
        late.end(handle)
        late.take(counted(42, 9, at: 6))
        writer.finish(at: 6, anchor: ClockAnchor(monotonic: 1, wall: 1), loss: Loss())
        let told = tasks(in: Replayed(path))
        #expect(told == [counted(42, 6, at: 2), serving[0], counted(42, 8, at: 5)].map { "1 task \($0)" })
    }

    @Test("a place that never comes, numbers that nobody has, kinds that nobody knows: all harmless")
    func hostile() throws {
        var fields = FieldWriter()
        let reading = TaskReading(pid: 1, started: .max, at: .max, provider: "go", open: .max)
        RecordedTasks.add(RecordedTasks.Entry(place: .max, event: .counted(reading)), to: &fields)
        fields.add(1, UInt64(7))
        fields.add(2, UInt64(99))
        let entries = fields.bytes.withUnsafeBytes { RecordedTasks.entries($0) }
        #expect(entries?.count == 1)
        guard case .counted(let back)? = entries?.first?.event else { return #expect(Bool(false)) }
        #expect(back.at < 1 << 61 && back.started < 1 << 61 && back.open == 1 << 40)
        #expect(Array(fields.bytes.dropLast()).withUnsafeBytes { RecordedTasks.entries($0) } == nil)
        var waiting = ReplayedTasks()
        var told = 0
        for _ in 0..<3 { waiting.add(Array(repeating: entries![0], count: 40_000)) { _ in told += 1 } }
        #expect(told >= 80_000, "what waits has a bound")
        waiting.tellAll { _ in told += 1 }
        #expect(told == 120_000 && waiting.place == .max)
    }
}
