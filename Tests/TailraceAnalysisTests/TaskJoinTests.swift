// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// Times are microseconds, as in `Exchange`. The server is process 42, which began at 1 ns.
@Suite("Tasks and responses")
struct TaskJoinTests {
    private let second: Int64 = 1_000_000
    private let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    private let cut = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok"

    private func counted(_ open: Int?, at: Int64, provider: String = "go", started: Int64 = 1) -> TaskEvent {
        .counted(TaskReading(pid: 42, started: started, at: at * 1000, provider: provider, open: open))
    }

    private func serve(_ exchange: Exchange, _ answer: String, at: Int64) {
        exchange.read("GET / HTTP/1.1\r\n\r\n", readable: at, at: at + 1)
        exchange.quickFlush(answer, at: at + 10)
    }

    /// The client goes in the middle of a response that task 9 serves.
    private func interrupted(_ exchange: Exchange, at: Int64) {
        serve(exchange, cut, at: at - 100)
        exchange.state(.closed, from: .established, at: at, error: 104)
    }

    @Test("what is told of no task costs nothing and changes nothing")
    func idle() {
        let exchange = Exchange()
        serve(exchange, whole, at: 100)
        #expect(exchange.settled.count == 1 && exchange.responses.count == 1)
        #expect(exchange.settled[0].tasks == nil && exchange.settled[0].serving == nil)
    }

    @Test("a response has the newest counts by its begin and its end, and the largest between")
    func counts() {
        let exchange = Exchange()
        for (open, at) in [(3, 50), (7, 105), (5, 108), (90, 5000)] { exchange.told(counted(open, at: Int64(at))) }
        serve(exchange, whole, at: 100)
        #expect(exchange.settled.map(\.tasks) == [TaskRange(provider: "go", begin: 3, end: 5, max: 7)])
        #expect(exchange.responses.count == 1)
    }

    @Test("no count is of another process, of one that has ended, or of long ago")
    func identity() {
        let exchange = Exchange()
        exchange.told(counted(3, at: 50, started: Server.tick))
        serve(exchange, whole, at: 100)
        #expect(exchange.settled[0].tasks == nil)
        exchange.told(counted(4, at: 200))
        exchange.told(counted(nil, at: 300))
        serve(exchange, whole, at: 400)
        #expect(exchange.settled[1].tasks == TaskRange(provider: "go", begin: nil, end: nil, max: nil))
        exchange.told(counted(4, at: 500))
        serve(exchange, whole, at: 600 + 6 * second)
        #expect(exchange.settled[2].tasks?.begin == nil, "six seconds old")
    }

    @Test("the preferred provider is told of a response, all of them of a sample")
    func providers() {
        let exchange = Exchange()
        exchange.told(counted(12, at: 40, provider: "threads"))
        serve(exchange, whole, at: 100)
        exchange.told(counted(3, at: 150))
        exchange.told(counted(13, at: 150, provider: "threads"))
        exchange.told(counted(1, at: 150, provider: "somebody"))
        serve(exchange, whole, at: 200)
        #expect(exchange.settled.map { $0.tasks?.provider } == ["threads", "go"])
        exchange.look(from: 300, to: 301, meets: true)
        #expect(
            exchange.samples.last?.tasks == [
                TaskCount(provider: "go", open: 3), TaskCount(provider: "threads", open: 13),
            ])
    }

    @Test("one whose client has gone is summed up at once, and shown when its tasks were counted")
    func held() {
        let exchange = Exchange()
        exchange.told(counted(3, at: 50))
        exchange.told(.serving(ServingTask(connection: 7, pid: 42, task: 9)))
        interrupted(exchange, at: 1000)
        #expect(exchange.responses.count == 1 && exchange.settled.isEmpty)
        // Of before its end: it is not what is asked.
        exchange.told(.leftBehind(TasksLeft(connection: 7, at: 900_000, count: 5)))
        exchange.told(.leftBehind(TasksLeft(connection: 8, at: 3_000_000_000, count: 5)))
        #expect(exchange.settled.isEmpty)
        exchange.told(.leftBehind(TasksLeft(connection: 7, at: 2_001_000_000, count: 2)))
        #expect(exchange.settled.map(\.leftBehind) == [2] && exchange.settled.map(\.serving) == [9])
        #expect(exchange.responses.count == 1)
        exchange.look(from: 3 * second, to: 3 * second + 1, meets: true)
        exchange.finish()
        #expect(exchange.settled.count == 1)
    }

    @Test("of two responses on a connection nobody knows whose tasks are left, only that none are", arguments: [0, 2])
    func shared(left: Int) {
        let exchange = Exchange()
        exchange.told(counted(3, at: 50))
        exchange.told(.serving(ServingTask(connection: 7, pid: 42, task: 9)))
        serve(exchange, whole, at: 100)
        interrupted(exchange, at: 1000)
        exchange.told(.leftBehind(TasksLeft(connection: 7, at: 2_001_000_000, count: left)))
        #expect(exchange.settled.map(\.leftBehind) == [nil, left == 0 ? 0 : nil])
        exchange.look(from: 3 * second, to: 3 * second + 1, meets: true)
        #expect(exchange.samples.last?.leftBehind ?? left == left)
    }

    @Test("without an answer it is shown after a while, and at the end of the run", arguments: [false, true])
    func unanswered(endsRun: Bool) {
        let exchange = Exchange()
        exchange.told(.serving(ServingTask(connection: 7, pid: 42, task: 9)))
        exchange.told(counted(3, at: 50))
        interrupted(exchange, at: 1000)
        exchange.look(from: 5 * second, to: 5 * second + 1, meets: false)
        #expect(exchange.settled.isEmpty)
        if endsRun { exchange.finish() } else { exchange.look(from: 8 * second, to: 8 * second + 1, meets: false) }
        #expect(exchange.settled.count == 1 && exchange.settled[0].leftBehind == nil)
    }

    @Test("one that is open as the run ends has the answer of its connection")
    func open() {
        let exchange = Exchange()
        exchange.told(counted(3, at: 50))
        exchange.told(.serving(ServingTask(connection: 7, pid: 42, task: 9)))
        serve(exchange, cut, at: 100)
        exchange.state(.closeWait, from: .established, at: 1000)
        exchange.told(.leftBehind(TasksLeft(connection: 7, at: 2_001_000_000, count: 4)))
        let open = exchange.open(at: 3 * second)
        #expect(open.map(\.leftBehind) == [4] && open.map { $0.tasks?.begin } == [3])
    }

    @Test("asked is of a connection that somebody serves, 2 s after its client went, and when it closed")
    func questions() {
        var questions = TaskQuestions()
        func change(_ socket: UInt64, _ new: StateChange.State?, at: Nanoseconds) -> StateChange {
            StateChange(socket: socket, at: at, old: .established, new: new, error: 0, unackedBytes: 0)
        }
        let root = ServingTask(connection: 7, pid: 42, task: 9)
        #expect(questions.take(change(7, .closed, at: 1)) == nil)
        questions.take(root)
        #expect(questions.take(change(8, .closed, at: 1)) == nil)
        #expect(questions.take(change(7, nil, at: 1)) == nil)
        #expect(questions.take(change(7, .closeWait, at: 5)) == .init(root: root, due: 2_000_000_005))
        #expect(questions.take(change(7, .closed, at: 9)) == .init(root: root, due: 2_000_000_009))
        #expect(questions.take(change(7, .closed, at: 10)) == nil)
    }

    @Test("who waits in a write is known until that provider says otherwise; what others count changes nothing of it")
    func writing() {
        var tasks = ServerTasks(started: 1)
        func told(_ provider: String, _ writing: String?, at: Nanoseconds) -> String? {
            tasks.add(TaskReading(pid: 1, started: 1, at: at, provider: provider, open: 9, writing: writing))
            var sample = ServerSample(
                server: Server(pid: 1, started: 1, comm: "s", executable: nil, cgroup: nil), at: at)
            tasks.tell(&sample)
            return sample.writing
        }
        #expect(told("go", nil, at: 1) == nil)
        #expect(told("go", "7 goroutines wait in net.(*conn).Write", at: 2)?.hasPrefix("7") == true)
        #expect(told("threads", nil, at: 3)?.hasPrefix("7") == true)
        #expect(told("go", nil, at: 4) == nil)
    }
}
