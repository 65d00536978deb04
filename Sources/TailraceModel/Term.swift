// SPDX-License-Identifier: MIT

/// A word of the outputs that is neither a stage, nor a cause, nor an anomaly.
public struct Term: Explained {
    /// As the outputs write it.
    public let id: String
    /// Other names of the same thing.
    public let aliases: [String]
    /// One line: what it means.
    public let meaning: String
    /// How it is measured.
    public let measurement: String
    /// What to do about it.
    public let advice: String
    /// What kind of word it is.
    public static var kind: String { "word" }

    private init(_ id: String, also aliases: [String] = [], _ meaning: String, measured: String, advice: String) {
        self.id = id
        self.aliases = aliases
        self.meaning = meaning
        self.measurement = measured
        self.advice = advice
    }

    /// All of them.
    public static let all = responses + flushes + sockets + runs

    private static let responses = [
        Term(
            "response", "one server reply on a connection, visible while it is still open",
            measured: """
                From the request's first byte becoming readable to the ACK of the response's own last byte, or to the end of \
                its connection. HTTP/1 is delimited by its own framing, anything else by changes of direction.
                """,
            advice: "See each one as it ends: tailrace trace."),
        Term(
            "stage", also: ["timeline", "timeline_ns"],
            "where a response is on its way out; the stages partition its time",
            measured: """
                The time between two marks. Every nanosecond of a response is in exactly one stage, and the stages sum to its \
                duration.
                """,
            advice: "Percentiles of stages do not add up to the percentile of the whole; shares and means do."),
        Term(
            "mark", "one kernel time stamp of a flush or response passing a place",
            measured:
                "CLOCK_MONOTONIC in the kernel hook; a mark that was not reached or not seen is unknown, never 0.",
            advice: "tailrace doctor shows which hooks this kernel has."),
        Term(
            "in_flight", also: ["in flight"], "responses of a server that have begun and not ended",
            measured: "Counted at each response's begin and end, itself included. Never used of bytes.",
            advice: "If it grows while the rate does not, responses take longer: see which stage grows."),
        Term(
            "streaming", also: ["plain"],
            "a response whose end is not announced: chunked, until close, or an event stream",
            measured:
                "From the response's head: Transfer-Encoding, no Content-Length, or text/event-stream. Else it is plain.",
            advice: """
                A stream lasts as long as it has something to say, so its duration says little: look at its gaps, its first \
                flush, and at blocked and queue.
                """),
        Term(
            "slowest 1 %", also: ["share", "of the slowest", "slowest"],
            "where the slowest 1 % of the responses spend their time",
            measured: """
                The mean of each stage's share inside the slowest 1 % of a kind (at least one response), with its number of \
                responses.
                """,
            advice: "This, not the stages' p99, says what makes the slow ones slow."),
        Term(
            "percentile", also: ["p50", "p90", "p99", "max"], "the value that this share of the values does not exceed",
            measured: """
                From log-linear histograms, eight buckets an octave: at most 1/16 from the true value; count, mean and max \
                are exact. No p90 for fewer than 10 values, no p99 for fewer than 100.
                """,
            advice: "Where p99 is missing, look at max."),
        Term(
            "estimated", "a part of the response is an estimate",
            measured: """
                Several send calls shared a record (under pressure), an ACK was noticed late (after a FIN), or a record of it \
                was lost.
                """,
            advice:
                "Those with a lost record are in no percentile (excluded); the others are, and their number is told."),
    ]

    private static let flushes = [
        Term(
            "flush", also: ["flushes", "write"], "bytes that the server hands over at once: the unit of delivery",
            measured: """
                One send call, or several that share a record under pressure (their number is kept, and the last of them is \
                the sample). A chunk is only HTTP's.
                """,
            advice: "See each one: tailrace trace --json --flushes."),
        Term(
            "delivery", also: ["delivery_ns"], "a flush's own way from its send call to its ACK",
            measured: "Split into send, queue, qdisc, driver and network, independently of the timeline.",
            advice: "It overlaps with the server's work: a distribution, never to be added to the timeline."),
        Term(
            "ttff", also: ["ttfb", "time to first flush", "ttff_ns"],
            "time to first flush: from the response's begin to its first send call that carries body",
            measured:
                "tcp_sendmsg_locked of the first call with a byte behind the head. Printed as TTFB where users expect it.",
            advice:
                "For a stream of tokens this is the time to the first token. It is the server's, unless read or accept is large."
        ),
        Term(
            "gap", also: ["gaps", "gap_ns"], "time between the starts of adjacent flushes of one response",
            measured:
                "sent: between send calls, at the server. acked: between the ACKs of the same flushes, at the peer's kernel.",
            advice: """
                Even gaps sent and uneven gaps acked: something on the way collects (see coalesced-stream). Uneven gaps sent: \
                the server itself stutters.
                """),
        Term(
            "ack_delay", also: ["ack_delay_ns"], "what of the stage network lies beyond the connection's round trip",
            measured: "network minus the smoothed round trip (srtt), where the last byte was acknowledged.",
            advice:
                "Mostly the peer's delayed ACK (40 ms and more on Linux): the bytes were there, only the ACK was late."),
    ]

    private static let sockets = [
        Term(
            "queued", also: ["queued_bytes", "queued bytes", "wmem_queued", "sk_wmem_queued"],
            "memory of the socket's write queue: bytes not sent yet and bytes not acknowledged yet",
            measured:
                "sk_wmem_queued when a send call returns. It counts the buffers' true size, and bytes on the way too.",
            advice: "Above 128 KiB alone it is no fault on a long path. Look at unsent."),
        Term(
            "unsent", also: ["unsent_bytes", "unsent bytes"],
            "bytes that the server handed over and TCP has not sent yet",
            measured: "write_seq - snd_nxt when a send call returns.",
            advice: """
                Little's law: the wait in the queue is the unsent bytes over the drain rate. What is unsent is late already: \
                bound it with TCP_NOTSENT_LOWAT.
                """),
        Term(
            "unacked", also: ["unacked_bytes", "unacked bytes"], "bytes sent and not acknowledged yet",
            measured: "snd_nxt - snd_una when a send call returns.",
            advice: "What the path holds; bounded by both windows."),
        Term(
            "sndbuf", also: ["sndbuf_bytes"], "the limit of the send buffer",
            measured: "sk_sndbuf at a flush. The kernel grows it by itself unless SO_SNDBUF was set.",
            advice: "A small one makes writers block, a large one moves the same wait into the queue."),
        Term(
            "held", also: ["cause", "cause_ns"], "time that bytes waited in blocked or queue, by what held them",
            measured:
                "blocked + queue of a response, split by the socket's own clocks and by what limited its flushes.",
            advice: "tailrace explain peer_window (or congestion_window, qdisc, other)."),
        Term(
            "peer", "the client's address, as the server's socket has it",
            measured: """
                The remote end of the accepted connection: behind a proxy, the proxy. A peer holds bytes where a response to \
                it waited in blocked or queue for a millisecond or longer.
                """,
            advice: "ss -tinp dst ADDRESS shows its connections."),
        Term(
            "open tasks", also: ["tasks", "open_tasks"],
            "concurrent units that the server holds: goroutines, Swift tasks, threads, responses in flight",
            measured: """
                By a provider for each runtime; responses in flight are always there. basis: exact for those, sampled for \
                others: the newest count that was read by that moment, every 50 ms.
                """,
            advice: "They should follow the responses in flight. If they do not: task-leak."),
        Term(
            "orphaned task", also: ["orphan", "orphaned"], "a task that stays open after its client is gone",
            measured:
                "The task that serves the connection and its descendants, counted 2 s after the client's FIN or RST.",
            advice: "See orphaned-tasks."),
    ]

    private static let runs = [
        Term(
            "loss", also: ["lost", "missed"],
            "events that the kernel side could not deliver: always counted, always shown",
            measured: """
                made = delivered + lost, per kind; lost: the ring was full. missed: firings that the kernel skipped because \
                the same program was running on that CPU. untracked: accepted connections for which there was no memory, or that speak MPTCP.
                """,
            advice:
                "Trace less (--port, --pid) or give tailrace CPU time. Responses that miss an event are in no percentile."
        ),
        Term(
            "finding", "one occurrence of an anomaly, with its evidence",
            measured: "A check over a window, with a threshold and hysteresis.",
            advice: "tailrace explain with the anomaly's id."),
        Term(
            "backend", "the kernel hooks that made the marks",
            measured:
                "tracepoint: typed tracepoints alone. Chosen from facts that are asked for, never from a version number.",
            advice: "tailrace doctor prints the facts, the choice, and what it cannot see."),
    ]
}
