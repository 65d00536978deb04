// SPDX-License-Identifier: MIT

/// What can go wrong on a response's way, by the id that findings carry.
@frozen
public enum Anomaly: String, CaseIterable, Codable, Sendable {
    case queuePressure = "queue-pressure"
    case slowConsumer = "slow-consumer"
    case blockedWriters = "blocked-writers"
    case congestedPath = "congested-path"
    case qdiscPressure = "qdisc-pressure"
    case receivePressure = "receive-pressure"
    case stalledStream = "stalled-stream"
    case taskSaturation = "task-saturation"
    case taskLeak = "task-leak"
    case orphanedTasks = "orphaned-tasks"
    case coalescedStream = "coalesced-stream"
}

extension Anomaly: Explained {
    /// As the outputs write it.
    public var id: String { rawValue }
    /// What kind of word it is.
    public static var kind: String { "anomaly" }

    /// One line: what it means.
    public var meaning: String {
        switch self {
        case .queuePressure: "unsent bytes and the age of the oldest of them are above their thresholds"
        case .slowConsumer: "one peer's window holds a response's bytes: the client reads too slowly"
        case .blockedWriters: "writers of the server wait for room in send buffers"
        case .congestedPath: "congestion window, loss or a grown round trip hold the bytes"
        case .qdiscPressure: "packets wait at the device"
        case .receivePressure: "requests or connections wait for the server"
        case .stalledStream: "an open response has been silent far longer than its own gaps make usual"
        case .taskSaturation: "a stage's latency climbs with the number of open tasks"
        case .taskLeak: "open tasks grow while responses in flight do not"
        case .orphanedTasks: "clients are gone, and the tasks or sockets that served them are not"
        case .coalescedStream: "flushes that were written steadily reach the peer in lumps"
        }
    }

    /// How it is measured.
    public var measurement: String {
        switch self {
        case .queuePressure:
            """
            Unsent bytes (write_seq - snd_nxt) and how long the oldest waits in the write queue. sk_wmem_queued above 128 KiB \
            alone is a notice: it counts bytes on the way too.
            """
        case .slowConsumer:
            "As queue-pressure or blocked, where the socket's own clock says peer_window for most of the wait."
        case .blockedWriters:
            "The stage blocked over all responses in flight: how many, for how long, which share of them."
        case .congestedPath:
            "The cause congestion_window, retransmits, and the smoothed round trip against its minimum."
        case .qdiscPressure: "The stage qdisc, and the cause qdisc of blocked and queue."
        case .receivePressure:
            """
            The stages read and accept of what the server took, and, at each look, connections that nobody has accepted and \
            requests that nobody has read: a server that takes nothing is told while it does not.
            """
        case .stalledStream:
            """
            The time since its last flush against the response's own gap percentiles; with bytes unsent it is the path, \
            without it is the server.
            """
        case .taskSaturation:
            """
            Rank correlation (Spearman) of the stage's latency with open tasks, and the knee in the curve of latency by \
            open tasks.
            """
        case .taskLeak:
            "Open tasks minus what responses in flight explain, over several windows; the census group that grows."
        case .orphanedTasks:
            """
            FIN or RST from the peer, older than the grace, while the task that sent the response is still there. A FIN that \
            came before the connection was accepted or followed counts from when it was found.
            """
        case .coalescedStream: "The gap distribution at the server (sent) against that of the ACKs (acked)."
        }
    }

    /// What to do about it.
    public var advice: String {
        switch self {
        case .queuePressure:
            """
            Bound what is queued per connection (TCP_NOTSENT_LOWAT, a bounded channel before the socket). See which peers \
            hold most: tailrace report.
            """
        case .slowConsumer:
            """
            Decide what a slow client may cost: a write deadline, a limit of queued bytes, dropping it, or sending it less.
            """
        case .blockedWriters:
            """
            Each of them holds a task and its memory. Write with a deadline, and never hold a lock that other responses need \
            while writing.
            """
        case .congestedPath: "Look at retrans and rtt of the connection (ss -ti), and at what shares the path."
        case .qdiscPressure: "Look at tc -s qdisc: backlog, drops, and the rate of a shaper."
        case .receivePressure:
            "Add workers or acceptors, take blocking work out of the event loop, and look at CPU throttling."
        case .stalledStream: "Look at what feeds the stream, or, where bytes are unsent, at its client."
        case .taskSaturation: "Limit concurrency below the knee; beyond it more tasks only wait for each other."
        case .taskLeak: "See where the growing group was created and what it waits for: tailrace tasks PID."
        case .orphanedTasks:
            "End a task when its client is gone: heed write errors, and cancel what the handler waits for."
        case .coalescedStream:
            """
            Look for buffering between the writer and the peer: Nagle's algorithm without TCP_NODELAY, a compressing or \
            buffering proxy, a delayed ACK.
            """
        }
    }
}
