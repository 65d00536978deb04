// SPDX-License-Identifier: MIT

extension Stage: Explained {
    /// As the outputs write it.
    public var id: String { rawValue }
    /// What kind of word it is.
    public static var kind: String { "stage" }

    /// Whose time it is, as a sentence about slow responses.
    public var owner: String {
        switch self {
        case .accept: "Nobody accepted the connections meanwhile: the server was busy, or has too few acceptors."
        case .read: "The requests were there and the server did not read them: it was busy, or has too few workers."
        case .app:
            """
            That is the server's own time: it worked, waited for something behind it, or paused between its send calls.
            """
        case .send: "That is inside send calls, without a wait for room: the server was copying, or short of CPU."
        case .blocked, .queue: "The bytes waited behind others that had not left."
        case .qdisc, .driver: "That is the device: packets waited for it to start with them."
        case .network: "That is the path and the peer: the bytes were on their way, or their ACK was."
        }
    }

    /// How it is measured.
    public var measurement: String {
        switch self {
        case .accept:
            """
            From ESTABLISHED (inet_sock_set_state) to the first read (sock_recv_length), where no process had accepted the \
            connection when its request became readable (tcp_probe). There is no mark at accept() itself.
            """
        case .read:
            """
            From the request's first byte becoming readable (tcp_probe) to the return of the server's read call \
            (sock_recv_length).
            """
        case .app:
            """
            What is left between the read and the end of the last send call, after send and blocked are taken out. The time \
            between send calls of a stream is here.
            """
        case .send:
            """
            From the entry of each send call (tcp_sendmsg_locked) to its return (sock_send_length), or to the moment at which \
            TCP handed its last byte to IP, if that was earlier; waits for memory are taken out.
            """
        case .blocked:
            """
            Waits for memory between two turns of the copy loop of a send call (tcp_sendmsg_locked); after EAGAIN or a short \
            write, the time until the next send call that took bytes.
            """
        case .queue:
            """
            From the end of the last send call to the time stamp that TCP gave the packet with the last byte when it handed \
            it to IP (skb->tstamp, read at net_dev_start_xmit).
            """
        case .qdisc:
            """
            From TCP handing the packet with the last byte to IP until the device is asked to start with it \
            (net_dev_start_xmit). With the qdisc fq and pacing, queue and qdisc cannot be told apart. A packet that the \
            qdisc drops was never transmitted: until it comes again, its time is here (with tracepoints, in queue).
            """
        case .driver:
            """
            The driver's own time with the packet. Tracepoints have no mark behind it: the stage is null and its time is in \
            network. The loopback device has no driver: 0.
            """
        case .network:
            """
            From the start of the transmission of the last byte (net_dev_start_xmit) to the packet that acknowledges it \
            (tcp_probe). ack_delay_ns is what of it lies beyond the smoothed round trip.
            """
        }
    }

    /// What to do about it.
    public var advice: String {
        switch self {
        case .accept:
            """
            Look at the listener: its backlog (ss -ltn: Recv-Q against Send-Q), the number of acceptors, and whether the \
            process gets CPU time.
            """
        case .read:
            """
            The server does not come to its sockets: look for blocking work in its event loop, for too few workers, and for \
            CPU throttling of its cgroup.
            """
        case .app:
            """
            The network is not the cause. Profile the server or what it waits for (database, model, upstream). In a stream \
            this is the pace at which it produces: look at the gaps.
            """
        case .send:
            """
            Rarely large. If it is: many tiny writes (merge them), very large ones (copying), or a thread that loses its CPU \
            inside the call.
            """
        case .blocked:
            """
            See its cause. For peer_window: give slow clients a deadline, a limit of bytes in flight, or drop them; a larger \
            send buffer only moves the wait to queue.
            """
        case .queue:
            """
            See its cause. write() returned long ago, so nothing in the server shows this wait. Bound what is queued: \
            TCP_NOTSENT_LOWAT makes a writer wait instead, so that it can send what is newest.
            """
        case .qdisc:
            """
            Look at tc -s qdisc (backlog, drops) and the device's rate. A shaper, another flow or a saturated link holds the \
            packets.
            """
        case .driver: "Look at the device: ethtool -S, ring size, interrupt affinity."
        case .network:
            """
            With a large ack_delay the bytes arrived and the client's kernel delayed its ACK (40 ms and more on Linux): \
            harmless unless the server waits for it. Else look at the round trip and at retransmits (ss -ti).
            """
        }
    }
}

extension WaitCause: Explained {
    /// As the outputs write it.
    public var id: String { rawValue }
    /// What kind of word it is.
    public static var kind: String { "cause of blocked and queue" }

    /// One line: what it means.
    public var meaning: String {
        switch self {
        case .peerWindow: "the peer's receive window was full: the client reads more slowly than the server writes"
        case .congestionWindow: "congestion control held back: the window was full, or its pacing"
        case .qdisc: "TCP held back because enough of this socket waits at the device"
        case .other: "none of the others: a small send buffer, memory, or a wait too short for the kernel's clocks"
        }
    }

    /// How it is measured.
    public var measurement: String {
        switch self {
        case .peerWindow:
            """
            The socket's own clock of the time that the peer's window limited it (tcp_sock.chrono_stat, rwnd_limited in \
            ss -ti), a jiffy fine, over the response; at most blocked + queue.
            """
        case .congestionWindow:
            """
            What peer_window leaves of blocked + queue, where the congestion window was full (packets_out >= snd_cwnd) when \
            most of the held flushes returned from their send calls.
            """
        case .qdisc:
            """
            What peer_window leaves of blocked + queue, where TCP was throttled by TCP small queues (TSQ_THROTTLED) when most \
            of the held flushes returned from their send calls.
            """
        case .other: "What the other causes leave of blocked + queue."
        }
    }

    /// What to do about it.
    public var advice: String {
        switch self {
        case .peerWindow:
            """
            The client, or a proxy before it, does not read. Bound what the server queues for it, time it out, or send it \
            less. More bandwidth does not help.
            """
        case .congestionWindow:
            """
            The path carries no more: look at loss and retransmits (ss -ti: retrans, rtt), at the congestion control in use, \
            and at what else shares the link.
            """
        case .qdisc: "The device is slower than the server: look at tc -s qdisc and at the link's rate."
        case .other:
            """
            Compare sndbuf_bytes with queued_bytes_max: a small SO_SNDBUF makes a writer wait while the network is free. \
            Waits of a few milliseconds are below the kernel's clocks and need no cause.
            """
        }
    }
}
