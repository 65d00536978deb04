// SPDX-License-Identifier: MIT
import TailraceCapture
import TailraceModel
import TailraceTasks

/// What the open tasks of servers say of their responses: how many there were, who served, and who was left behind.
final class TaskWitness {
    let gauge: TaskGauge
    private let serving: ServingTasks?
    /// Responses that wait for their grace to be over.
    private var held: [UInt64: Response] = [:]
    private var newest: UInt64 = 0
    /// Connections that may still be followed, and whose client has gone. Of one that serves on, nobody knows whose its tasks
    /// are.
    private var gone: Set<UInt64> = []
    /// Servers that are not read by then are read a little later, ns.
    private static let patience: Nanoseconds = 2_000_000_000
    /// How long tasks may take to notice that their client has gone, ns.
    private static let grace: Nanoseconds = 2_000_000_000
    /// Beyond that nobody waits: those are told at once.
    private static let mostHeld = 10_000

    /// Servers that can be named already are read from now on. Where the kernel refuses to look for who serves, only the
    /// counts are told.
    init(_ options: TargetOptions) {
        let serving = try? ServingTasks()
        self.serving = serving
        gauge = TaskGauge { pid, idOffset in serving?.look(atGoProcess: pid, idOffset: idOffset) }
        let found = ListenerProcesses.listening(on: options.port) + ListenerProcesses.named(options.comm)
        for pid in options.pid + found { gauge.watch(pid: pid) }
        gauge.settle(patience: Self.patience)
    }

    /// A response with its server's tasks. `now` nil: it waits until its grace is over.
    struct Counted {
        let now: Response?
    }

    /// nil: nobody tells the tasks of its server.
    func counted(_ response: borrowing Response, at now: Nanoseconds) -> Counted? {
        guard let server = response.server, let tasks = gauge.range(of: server, from: response.begin, to: response.end)
        else { return nil }
        var counted = copy response
        counted.tasks = tasks
        counted.serving = serving?.task(of: response.connection.cookie, pid: server.pid)
        guard let task = counted.serving, response.state == .ended, gone.contains(response.connection.cookie),
            held.count < Self.mostHeld
        else { return Counted(now: counted) }
        newest += 1
        held[newest] = counted
        gauge.ask(newest, tasksOf: task, in: server, at: now + Self.grace)
        return Counted(now: nil)
    }

    /// A server that is met is read, and a client that goes is remembered: what the server still sends is told as gone too.
    func willTake(_ event: KernelEvent) {
        if case .socketUsed(let use) = event { gauge.watch(use.server) }
        if case .stateChanged(let change) = event, change.new == .closeWait || change.new == .closed {
            gone.insert(change.socket)
        }
    }

    /// Of a connection that is closed nothing more comes.
    func didTake(_ event: KernelEvent) {
        if case .stateChanged(let change) = event, change.new == .closed { gone.remove(change.socket) }
    }

    /// Those whose grace is over.
    func settled() -> [Response] {
        guard !held.isEmpty else { return [] }
        return gauge.answers().compactMap { token, count in
            var response = held.removeValue(forKey: token)
            response?.leftBehind = count
            return response
        }
    }

    /// Open responses as the run ends: where the client has gone, what serves it still is left behind.
    func counted(open responses: [Response], at now: Nanoseconds) -> [Response] {
        var told = responses.map { response in counted(response, at: now)?.now ?? response }
        var places: [UInt64: Int] = [:]
        for place in told.indices where gone.contains(told[place].connection.cookie) {
            guard let task = told[place].serving, let server = told[place].server else { continue }
            newest += 1
            places[newest] = place
            gauge.ask(newest, tasksOf: task, in: server, at: now)
        }
        let deadline = now + Self.patience
        while !places.isEmpty, gauge.now < deadline {
            for (token, count) in gauge.answers() {
                if let place = places.removeValue(forKey: token) { told[place].leftBehind = count }
            }
            gauge.rest()
        }
        return told
    }

    /// The rest too, at the end: what they left behind is not known yet.
    func all() -> [Response] {
        let settled = settled()
        defer { held = [:] }
        return settled + held.sorted { $0.key < $1.key }.map(\.value)
    }
}
