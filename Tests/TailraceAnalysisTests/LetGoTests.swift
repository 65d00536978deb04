// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceAnalysis

/// Connections that are no target any more: nobody sees how they end.
struct LetGoTests {
    private let connection = Connection(
        cookie: 7, local: Endpoint(ipv4: true, bytes: (0, 0), port: 80),
        remote: Endpoint(ipv4: true, bytes: (0, 0), port: 999), established: 0)
    private let server = Server(pid: 42, started: 1, comm: "server", executable: nil, cgroup: nil)

    private func use(at time: Int64) -> KernelEvent {
        .socketUsed(SocketUse(connection: connection, server: server, at: time))
    }

    private func change(at time: Int64, isHeld: Bool = false, isLetGo: Bool = false) -> KernelEvent {
        .stateChanged(
            StateChange(
                socket: 7, at: time, old: .established, new: .closed, error: isHeld ? 104 : 0, unackedBytes: 0,
                isHeld: isHeld, isLetGo: isLetGo))
    }

    private func round(at time: Int64) -> KernelEvent { .roundEnded(SamplingRound(begin: time, end: time + 1)) }

    private func read(at time: Int64, _ take: (KernelEvent) -> Void) {
        Array("GET / HTTP/1.1\r\n\r\n".utf8).withUnsafeBytes { bytes in
            var read = RequestRead()
            (read.socket, read.at, read.readable) = (7, time, time - 1)
            (read.bytes, read.isFirst, read.head) = (Int64(bytes.count), true, bytes)
            withUnsafePointer(to: read) { take(.requestRead($0)) }
        }
    }

    @Test("what was open on it is told, as one of which the end is not known")
    func open() {
        var correlator = Correlator()
        var ended: [Response] = []
        let take = { (event: KernelEvent) in correlator.take(event) { ended += $0.ended } }
        take(use(at: 1))
        read(at: 10, take)
        #expect(correlator.openResponses == 1)
        take(change(at: 50, isLetGo: true))
        #expect(ended.map(\.endedBy) == [.unknown] && ended.map(\.isEstimated) == [true] && ended.map(\.end) == [50])
        #expect(correlator.openResponses == 0 && correlator.connections == 0)
    }

    @Test("what was in the making when it was let go is no loss, later it would be; and it can be found anew")
    func stragglers() {
        var correlator = Correlator()
        let take = { (event: KernelEvent) in correlator.take(event) { _ in } }
        take(use(at: 1))
        take(change(at: 50, isLetGo: true))
        read(at: 51, take)
        take(round(at: 60))
        read(at: 61, take)
        #expect(correlator.unattributed == 0)
        take(round(at: 70))
        read(at: 71, take)
        #expect(correlator.unattributed == 1)
        take(use(at: 80))
        read(at: 81, take)
        #expect(correlator.unattributed == 1 && correlator.connections == 1 && correlator.openResponses == 1)
    }

    @Test("one that is closed and held is not told as held any more")
    func held() {
        var correlator = Correlator()
        var held: [Int] = []
        let take = { (event: KernelEvent) in
            correlator.take(event) { if let look = $0.look { held.append(look.held.count) } }
        }
        take(use(at: 1))
        take(change(at: 5, isHeld: true))
        take(round(at: 5))
        take(change(at: 7, isLetGo: true))
        take(round(at: 5))
        #expect(held == [1, 0] && correlator.unattributed == 0)
    }

    @Test("nobody is asked what it left behind: its client may be there still")
    func questions() {
        var questions = TaskQuestions()
        questions.take(ServingTask(connection: 7, pid: 42, task: 1))
        guard case .stateChanged(let letGo) = change(at: 5, isLetGo: true),
            case .stateChanged(let closed) = change(at: 6)
        else { return }
        #expect(questions.take(letGo) == nil && questions.take(closed) == nil)
    }
}
