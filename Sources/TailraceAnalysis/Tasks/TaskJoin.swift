// SPDX-License-Identifier: MIT
import TailraceModel

/// Joins what was told of tasks with responses and samples. Pure, and nothing of it is run before a task is told of.
///
/// A response whose client has gone waits until what it left behind was counted; all others are told at once.
struct TaskJoin {
    private var servers: ContiguousArray<ServerTasks> = []
    /// Where a process is, by its id.
    private var places: [Int32: Int] = [:]
    private var lastServer: Server?
    private var lastPlace: Int?
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
            let answered = held.take(answeredBy: left)
            for response in answered { settle(response, left, isOnly: answered.count == 1, tell) }
        }
    }

    private mutating func add(_ reading: TaskReading) {
        if let place = places[reading.pid], servers[place].started == reading.started {
            return servers[place].add(reading)
        }
        var tasks = ServerTasks(started: reading.started)
        tasks.add(reading)
        let place = places[reading.pid] ?? (servers.count < Self.mostServers ? servers.count : oldest())
        if place == servers.count { servers.append(tasks) } else { servers[place] = tasks }
        places[reading.pid] = place
        lastServer = nil
    }

    /// The place of the one that was read longest ago, which makes room.
    private mutating func oldest() -> Int {
        let oldest = places.min { (servers[$0.value].newest, $0.key) < (servers[$1.value].newest, $1.key) }
        guard let oldest else { return 0 }
        places[oldest.key] = nil
        return oldest.value
    }

    /// A client that goes is remembered: what the server still sends is told as gone too.
    mutating func willTake(_ change: StateChange) {
        guard change.new == .closeWait || change.new == .closed, !change.isLetGo else { return }
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
            for response in held.takeOverdue(at: look.at) { settle(response, nil, isOnly: false, tell) }
            for place in look.samples.indices { add(to: &look.samples[place]) }
            return Actions.look(look, tell)
        }
        guard let response = actions.endedInPlace, let place = place(of: response.pointee.server) else {
            return tell(actions)
        }
        add(to: &response.pointee, place)
        let cookie = response.pointee.connection.cookie
        guard response.pointee.serving != nil, gone.contains(cookie) else { return tell(actions) }
        if let answer = answers[cookie], answer.at >= response.pointee.end {
            note(&response.pointee, answer, isOnly: true)
            tell(actions)
        } else if held.add(response.pointee) {
            tell(actions.unsettled)
        } else {
            tell(actions)
        }
    }

    /// Open responses as the run ends.
    mutating func join(open responses: [Response]) -> [Response] {
        guard !isIdle else { return responses }
        return responses.map { response in
            guard let place = place(of: response.server) else { return response }
            var response = response
            add(to: &response, place)
            let left = response.serving.flatMap { _ in answers[response.connection.cookie]?.count }
            response.leftBehind = Self.share(of: response, in: left, isOnly: true)
            return response
        }
    }

    /// Nothing more comes: what waits is told without an answer.
    mutating func finish(_ tell: (borrowing Actions) -> Void) {
        for response in held.takeAll() { settle(response, nil, isOnly: false, tell) }
    }

    /// Where the tasks of that process are; nil: nobody tells them. Most responses come from the server of the one before.
    private mutating func place(of server: Server?) -> Int? {
        if let lastServer, server === lastServer { return lastPlace }
        guard let server else { return nil }
        lastServer = server
        lastPlace = places[server.pid].flatMap { server.isProcess(startedAt: servers[$0].started) ? $0 : nil }
        return lastPlace
    }

    private func add(to response: inout Response, _ place: Int) {
        response.tasks = servers[place].range(from: response.begin, to: response.end)
        guard !serving.isEmpty, let task = serving[response.connection.cookie], task.pid == response.server?.pid else {
            return
        }
        response.serving = task.task
    }

    private mutating func add(to sample: inout ServerSample) {
        if let place = place(of: sample.server) { servers[place].tell(&sample) }
    }

    private mutating func settle(
        _ response: Response, _ left: TasksLeft?, isOnly: Bool, _ tell: (borrowing Actions) -> Void
    ) {
        var response = response
        if let left { note(&response, left, isOnly: isOnly) }
        Actions.settle(&response, tell)
    }

    private mutating func note(_ response: inout Response, _ left: TasksLeft, isOnly: Bool) {
        response.leftBehind = Self.share(of: response, in: left.count, isOnly: isOnly)
        guard let place = place(of: response.server), let count = left.count else { return }
        servers[place].add(left: count, at: left.at)
    }

    /// What is left is known of a connection. It is the response's where that was the only one; where there were others, only nothing is
    /// surely nothing of each.
    private static func share(of response: Response, in left: Int?, isOnly: Bool) -> Int? {
        left == 0 || isOnly && response.number == 1 ? left : nil
    }
}
