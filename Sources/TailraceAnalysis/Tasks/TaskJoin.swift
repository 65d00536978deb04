// SPDX-License-Identifier: MIT
import TailraceModel

/// Joins what was told of tasks with responses and samples. Pure, and nothing of it is run before a task is told of.
///
/// A response whose client has gone waits until what it left behind was counted; all others are told at once.
struct TaskJoin {
    private var servers: [Int32: ServerTasks] = [:]
    private var serving: [UInt64: ServingTask] = [:]
    /// Connections that may still be followed, and whose client has gone. Of one that serves on, nobody knows whose its tasks
    /// are.
    private var gone: Set<UInt64> = []
    /// What was counted of those last.
    private var answers: [UInt64: TasksLeft] = [:]
    private var held = HeldResponses()
    private(set) var isIdle = true
    private static let mostServers = 256
    private static let mostConnections = 1 << 16

    mutating func take(_ told: TaskEvent, _ tell: (borrowing Actions) -> Void) {
        isIdle = false
        switch told {
        case .counted(let reading): add(reading)
        case .serving(let task):
            if serving.count >= Self.mostConnections { serving.removeAll(keepingCapacity: true) }
            serving[task.connection] = task
        case .leftBehind(let left):
            if gone.contains(left.connection) { answers[left.connection] = left }
            for response in held.take(answeredBy: left) { settle(response, left, tell) }
        }
    }

    private mutating func add(_ reading: TaskReading) {
        if servers[reading.pid]?.started != reading.started {
            if servers.count >= Self.mostServers { forgetOldest() }
            servers[reading.pid] = ServerTasks(started: reading.started)
        }
        servers[reading.pid]?.add(reading)
    }

    private mutating func forgetOldest() {
        let oldest = servers.min { ($0.value.newest, $0.key) < ($1.value.newest, $1.key) }
        if let oldest { servers[oldest.key] = nil }
    }

    /// A client that goes is remembered: what the server still sends is told as gone too.
    mutating func willTake(_ change: StateChange) {
        guard change.new == .closeWait || change.new == .closed else { return }
        if gone.count >= Self.mostConnections {
            gone.removeAll(keepingCapacity: true)
            answers.removeAll(keepingCapacity: true)
        }
        gone.insert(change.socket)
    }

    /// Of a connection that is closed nothing more comes.
    mutating func didTake(_ change: StateChange) {
        guard change.new == .closed else { return }
        gone.remove(change.socket)
        answers[change.socket] = nil
        serving[change.socket] = nil
    }

    /// Tells on, with what is known of tasks.
    mutating func join(_ actions: borrowing Actions, _ tell: (borrowing Actions) -> Void) {
        if var look = actions.look {
            for response in held.takeOverdue(at: look.at) { settle(response, nil, tell) }
            for place in look.samples.indices { add(to: &look.samples[place]) }
            return Actions.look(look, tell)
        }
        guard actions.ended.count == 1, knows(actions.ended[0].server) else { return tell(actions) }
        var response = actions.ended[0]
        add(to: &response)
        let cookie = response.connection.cookie
        guard response.serving != nil, gone.contains(cookie) else { return Actions.end(&response, tell) }
        if let answer = answers[cookie], answer.at >= response.end {
            note(&response, answer)
            Actions.end(&response, tell)
        } else {
            Actions.end(&response, isSettled: !held.add(response), tell)
        }
    }

    /// Open responses as the run ends.
    func join(open responses: [Response]) -> [Response] {
        guard !isIdle else { return responses }
        return responses.map { response in
            var response = response
            add(to: &response)
            response.leftBehind = response.serving.flatMap { _ in answers[response.connection.cookie]?.count }
            return response
        }
    }

    /// Nothing more comes: what waits is told without an answer.
    mutating func finish(_ tell: (borrowing Actions) -> Void) {
        for response in held.takeAll() { settle(response, nil, tell) }
    }

    private func knows(_ server: Server?) -> Bool {
        guard let server, let tasks = servers[server.pid] else { return false }
        return server.isProcess(startedAt: tasks.started)
    }

    private func add(to response: inout Response) {
        guard let server = response.server, knows(server) else { return }
        response.tasks = servers[server.pid]?.range(from: response.begin, to: response.end)
        if let task = serving[response.connection.cookie], task.pid == server.pid { response.serving = task.task }
    }

    private mutating func add(to sample: inout ServerSample) {
        if knows(sample.server) { servers[sample.server.pid]?.tell(&sample) }
    }

    private mutating func settle(_ response: Response, _ left: TasksLeft?, _ tell: (borrowing Actions) -> Void) {
        var response = response
        if let left { note(&response, left) }
        Actions.settle(&response, tell)
    }

    private mutating func note(_ response: inout Response, _ left: TasksLeft) {
        response.leftBehind = left.count
        guard let server = response.server, knows(server), let count = left.count else { return }
        servers[server.pid]?.add(left: count, at: left.at)
    }
}
