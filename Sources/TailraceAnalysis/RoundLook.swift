// SPDX-License-Identifier: MIT
import TailraceModel

/// All connections, as they were looked at in one round.
public struct RoundLook: Sendable {
    /// No look of it is older.
    public let begin: Nanoseconds
    /// None is younger.
    public let at: Nanoseconds
    /// Those whose socket was met.
    public let connections: [ConnectionLook]
    /// Closed connections that their servers hold still, by cookie.
    public var held: [HeldConnection] = []
    /// What waits for servers to accept or to read it, by cookie.
    public var waiting: [WaitingConnection] = []
    /// What queues held since the round before.
    public let holds: [Hold]
    /// By server process.
    public internal(set) var samples: [ServerSample]
}

/// Holds since the last round, a bounded number of them: what is beyond shows in the looks while it lasts.
struct Holds {
    private static let most = 1 << 16
    private(set) var told: [Hold] = []

    mutating func add(_ hold: Hold) { if told.count < Self.most { told.append(hold) } }

    mutating func take() -> [Hold] {
        defer { told.removeAll(keepingCapacity: told.capacity <= 4096) }
        return told
    }
}

extension FlushMarks {
    /// A shorter wait is nobody's doing: the socket's own clocks are no finer.
    static let heldLimit: Int64 = 1_000_000

    /// From when to when its bytes were held on this side: while its writer was blocked, in the write queue, or with the device
    /// layer; nil: for less than a millisecond.
    var held: (begin: Nanoseconds, end: Nanoseconds)? {
        guard bytes > 0, writes > 0, enter != 0 else { return nil }
        let end = transmitted != 0 ? transmitted : queued != 0 ? queued : max(at, exit)
        let begin = min(enter, exit - blockedTime)
        return end - begin >= Self.heldLimit ? (begin, end) : nil
    }

    /// What held it, given how long the peer's window limited the connection meanwhile.
    func holder(rwndLimited: Int64, of held: Int64) -> WaitCause {
        if rwndLimited >= held / 2 { return .peerWindow }
        let atDevice = transmitted != 0 && queued != 0 ? transmitted - max(queued, exit) : 0
        if isDeviceLimited || atDevice >= held / 2 { return .qdisc }
        return isCongestionLimited ? .congestionWindow : .other
    }
}
