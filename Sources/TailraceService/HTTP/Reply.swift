// SPDX-License-Identifier: MIT
import NIOConcurrencyHelpers
import NIOCore

/// The way of a reply from any thread to its client's: decided once, and never waiting.
final class Reply: Sendable {
    private enum State {
        case waiting, answered, streaming, over
    }

    private struct Progress {
        var state = State.waiting
        /// Bytes of a feed that its client has not taken.
        var unsent = 0
    }

    private let client: NIOLoopBound<ClientHandler>
    private let mostUnsent: Int
    private let progress = NIOLockedValueBox(Progress())

    /// On the client's event loop. `mostUnsent`: of a feed, in bytes.
    init(to client: NIOLoopBound<ClientHandler>, mostUnsent: Int) {
        (self.client, self.mostUnsent) = (client, mostUnsent)
    }

    var isStreaming: Bool { progress.withLockedValue { $0.state == .streaming } }

    func answer(_ answer: Answer) {
        guard move(from: .waiting, to: .answered) else { return }
        onLoop { $0.send(answer, for: self) }
    }

    /// false: the client is gone, or was answered already.
    func begin(type: String) {
        guard move(from: .waiting, to: .streaming) else { return }
        onLoop { $0.begin(type: type, for: self) }
    }

    /// false: the client is gone, or is dropped herewith.
    func send(_ bytes: [UInt8]) -> Bool {
        enum Fate { case sent, dropped, gone }
        if bytes.isEmpty { return isStreaming }
        let fate: Fate = progress.withLockedValue { progress in
            guard progress.state == .streaming else { return .gone }
            guard progress.unsent + bytes.count <= mostUnsent else {
                progress.state = .over
                return .dropped
            }
            progress.unsent += bytes.count
            return .sent
        }
        switch fate {
        case .sent: onLoop { $0.send(bytes, for: self) }
        case .dropped: onLoop { $0.drop(for: self) }
        case .gone: break
        }
        return fate == .sent
    }

    func end(isWhole: Bool) {
        guard move(from: .streaming, to: .over) else { return }
        onLoop { isWhole ? $0.end(for: self) : $0.cut(for: self) }
    }

    /// The client's socket has them.
    func wasSent(_ count: Int) { progress.withLockedValue { $0.unsent -= count } }

    /// The client is gone.
    func isGone() { progress.withLockedValue { $0.state = .over } }

    private func move(from: State, to: State) -> Bool {
        progress.withLockedValue { progress in
            guard progress.state == from else { return false }
            progress.state = to
            return true
        }
    }

    private func onLoop(_ body: @escaping @Sendable (ClientHandler) -> Void) {
        client.eventLoop.execute { [client] in body(client.value) }
    }
}
