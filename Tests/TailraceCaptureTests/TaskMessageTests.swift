// SPDX-License-Identifier: MIT
import SeededRandom
import TailraceModel
import Testing

@testable import TailraceCapture

@Suite("What the processes say to each other")
struct TaskMessageTests {
    private var census: TaskCensus {
        var census = TaskCensus(pid: 42, comm: "a\u{1b}[31m", wall: 1_700_000_000_000_000_000)
        var group = TaskGroup(provider: "go", count: 1240, state: "waiting")
        group.createdBy = CodePlace(function: "main.stream", file: "/src/server.go", line: 41)
        group.runs = CodePlace(function: "main.write")
        group.waitsFor = "chan send"
        group.waitsAt = CodePlace(function: "main.f", file: nil, line: 7)
        group.oldest = 95_000_000_000
        var system = TaskGroup(provider: "go", count: 3, state: "waiting")
        system.isSystem = true
        census.groups = [group, system]
        return census
    }

    private var all: [TaskMessage] {
        let reading = TaskReading(
            pid: 42, started: 10_000_000, at: 99, provider: "go", open: 7, growing: "main.f", writing: nil)
        let root = ServingTask(connection: 7, pid: 42, task: 18)
        return [
            .watch(pid: 42, started: 123_450_000_000), .ask(root, due: 5), .askWriters, .askGroups, .ready(counted: 2),
            .told(.counted(reading)), .told(.serving(root)),
            .told(.leftBehind(TasksLeft(connection: 7, at: 9, count: nil))), .silent(pid: 42),
            .refused(code: 77, sentence: "cannot"), .census(census),
        ]
    }

    private func decoded(_ bytes: [UInt8], by step: Int) -> (messages: [TaskMessage], isBroken: Bool) {
        var reader = TaskMessages()
        var found: [TaskMessage] = []
        for begin in stride(from: 0, to: bytes.count, by: step) {
            bytes[begin..<min(begin + step, bytes.count)].withUnsafeBytes { reader.take($0) { found.append($0) } }
        }
        return (found, reader.isBroken)
    }

    @Test("all that is said is heard, in whatever pieces it comes", arguments: [1, 7, 1 << 20])
    func roundTrip(step: Int) {
        var bytes: [UInt8] = []
        for message in all { message.encode(into: &bytes) }
        let heard = decoded(bytes, by: step)
        #expect(heard.messages == all && !heard.isBroken)
    }

    @Test("a census of more groups than a message holds is cut, the largest first")
    func longCensus() {
        var long = census
        long.groups = (0..<50_000).map { index in
            var group = TaskGroup(provider: "go", count: 50_000 - index, state: "waiting")
            group.runs = CodePlace(function: String(repeating: "f", count: index == 0 ? 100_000 : 600))
            return group
        }
        var bytes: [UInt8] = []
        TaskMessage.census(long).encode(into: &bytes)
        #expect(bytes.count <= TaskMessage.longest)
        guard case .census(let heard)? = decoded(bytes, by: 4096).messages.first else {
            Issue.record("no census was heard")
            return
        }
        #expect(heard.groups.count > 1000 && heard.groups.count <= TaskMessage.mostGroups)
        #expect(heard.groups.map(\.count) == Array(long.groups.prefix(heard.groups.count).map(\.count)))
    }

    @Test("what makes no sense is the end, and nothing behind it is believed")
    func nonsense() {
        var bytes: [UInt8] = []
        TaskMessage.silent(pid: 1).encode(into: &bytes)
        bytes += [1, 0, 0, 0, 200]
        TaskMessage.silent(pid: 2).encode(into: &bytes)
        let heard = decoded(bytes, by: 3)
        #expect(heard.messages == [.silent(pid: 1)] && heard.isBroken)
        #expect(decoded([255, 255, 255, 127], by: 4).isBroken)
    }

    @Test("damaged bytes are never a crash")
    func damage() {
        var random = SeededGenerator(state: 11)
        var whole: [UInt8] = []
        for message in all { message.encode(into: &whole) }
        for _ in 0..<2000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = decoded(bytes, by: Int.random(in: 1...64, using: &random))
        }
    }
}
