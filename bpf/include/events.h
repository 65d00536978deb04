/* SPDX-License-Identifier: MIT */
/*
 * The wire between the kernel programs and the daemon: the only definition of it.
 * Included by bpf/, imported by Swift as the module CProbes. Fixed widths, explicit padding.
 *
 * Clock of every *_ns field that is a point in time: CLOCK_MONOTONIC, as bpf_ktime_get_ns() reads it; 0 = not known.
 * Sequence numbers are TCP's own: 32 bits, compared modulo 2^32.
 */
#ifndef TAILRACE_EVENTS_H
#define TAILRACE_EVENTS_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 ev_u8;
typedef __u16 ev_u16;
typedef __u32 ev_u32;
typedef __u64 ev_u64;
#else
#include <stdint.h>
typedef uint8_t ev_u8;
typedef uint16_t ev_u16;
typedef uint32_t ev_u32;
typedef uint64_t ev_u64;
#endif

/* Grows when the meaning of an existing field changes. */
#define EV_WIRE_VERSION 2u

/* Most bytes of a request head, or of a response head, that the kernel side reads. */
#define EV_REQUEST_HEAD_BYTES 2048u
#define EV_RESPONSE_HEAD_BYTES 1024u
/* Most bytes of a response's head: behind EV_RESPONSE_HEAD_BYTES it is told as if it came in several calls. */
#define EV_LONGEST_HEAD_BYTES 8192u
/* Most bytes of a call's end (EV_F_ENDING) where that is its last piece; of a longer one, EV_RESPONSE_HEAD_BYTES. */
#define EV_ENDING_BYTES 192u
/* Bytes kept of the end of a flush: enough for the last chunk of HTTP/1.1 with the CRLF before it. */
#define EV_TAIL_BYTES 8u
/* Target filters: entries of each kind. */
#define EV_FILTERS 16u
/* Flushes that one socket can have outstanding before the newest are merged. */
#define EV_FLUSH_SLOTS 8u

enum ev_kind {
	EV_SOCKET = 1,	/* struct ev_socket: a traced socket was first used by a process, or by another one */
	EV_READ = 2,	/* struct ev_read: the server read request bytes */
	EV_HEAD = 3,	/* struct ev_head: a send call began that may carry the beginning or the end of a response */
	EV_FLUSH = 4,	/* struct ev_flush: a flush left the socket's memory (ACKed, or given up) */
	EV_STATE = 5,	/* struct ev_state: the connection changed its TCP state */
	EV_SAMPLE = 6,	/* struct ev_sample: one look at a traced socket; read from an iterator, not from the ring */
	EV_ROUND = 7,	/* struct ev_round: every traced socket was sampled; made by the daemon, for who reads on */
	EV_WAITING = 8,	/* struct ev_waiting: what waits for the server to take it; told with the samples */
	EV_KINDS = 9,
};

struct ev_header {
	ev_u64 at_ns;		/* when the record was made */
	ev_u64 socket;		/* the kernel's socket cookie: never reused */
	ev_u16 kind;		/* enum ev_kind */
	ev_u16 size;		/* bytes of the record, header and tail included */
	ev_u32 flags;		/* EV_F_* */
};

/* ev_header.flags */
#define EV_F_ACKED (1u << 0)		/* flush: the peer acknowledged its last byte at ack_ns */
#define EV_F_AFTER_READ (1u << 1)	/* flush: the first after the server read request bytes */
#define EV_F_MERGED (1u << 2)		/* flush: several send calls share this record */
#define EV_F_ACK_LATE (1u << 3)		/* flush: ack_ns is when the ACK was noticed, not when it came */
#define EV_F_LOOPBACK (1u << 4)		/* flush: its device is the loopback device, which has no driver */
#define EV_F_FIRST_READ (1u << 5)	/* read: the first since the last send, or since the connection began */
#define EV_F_HEAD_UNREAD (1u << 6)	/* read, head: the bytes could not be read (io_uring, sendfile, a page not present) */
#define EV_F_UNACCEPTED (1u << 7)	/* read: at readable_ns no process had accepted it; waiting: none has */
#define EV_F_CWND_LIMITED (1u << 8)	/* flush: the congestion window was full when the send call returned */
#define EV_F_DEVICE_LIMITED (1u << 9)	/* flush: TCP was holding back for the device queue (TSQ) */
#define EV_F_PACED (1u << 10)		/* flush: the device queue paces this socket; queue and qdisc cannot be told apart */
#define EV_F_TAIL_UNREAD (1u << 11)	/* flush: tail[] is not known */
#define EV_F_OUTSTANDING (1u << 12)	/* flush: asked for by a snapshot, still on its way; its own record is to come */
#define EV_F_ADOPTED (1u << 13)		/* socket, flush: it was there before tracing began; its past is not known */
#define EV_F_HEAD_TOLD (1u << 14)	/* flush: EV_HEAD was made for a call in it; if none is there, that was lost */
#define EV_F_ENDING (1u << 15)		/* head: the bytes are the call's last: a body in chunks may end with it */
#define EV_F_LOST_BEFORE (1u << 16)	/* any: records of this connection were lost since the one before */
#define EV_F_HELD (1u << 17)		/* state, sample: the connection is closed, and a process holds its descriptor still */
#define EV_F_LET_GO (1u << 18)		/* state: not closed, but no target any more; until it is announced anew nothing is told */

struct ev_socket {
	struct ev_header header;
	ev_u64 established_ns;
	ev_u64 process_start_ns;	/* CLOCK_BOOTTIME start of the process: with pid, its identity */
	ev_u64 cgroup;			/* cgroup v2 id, 1 = root */
	ev_u32 pid;			/* process id (tgid) in the initial namespace */
	ev_u32 netns;			/* inode number of the network namespace */
	ev_u16 family;			/* AF_INET 2 or AF_INET6 10 */
	ev_u16 local_port;		/* host byte order */
	ev_u16 remote_port;		/* host byte order */
	ev_u16 state;			/* as in include/net/tcp_states.h, when this was told; 0: not known */
	ev_u8 local[16];		/* network byte order; IPv4 in the first four */
	ev_u8 remote[16];
	ev_u8 comm[16];			/* as the kernel holds it: any bytes, ends at the first 0 */
};

/* header.at_ns: the read call returned */
struct ev_read {
	struct ev_header header;
	ev_u64 readable_ns;	/* the first byte of what is read became readable */
	ev_u32 bytes;		/* that this read returned */
	ev_u32 head_bytes;	/* of them that follow this struct */
	ev_u32 outstanding;	/* flushes of the connection that were not acknowledged yet */
	ev_u32 seq_end;		/* one past its last byte in the client's sequence numbers */
};

/* header.at_ns: the send call was entered. If the call takes nothing (EAGAIN), the next one at `seq` replaces it. */
struct ev_head {
	struct ev_header header;
	ev_u32 seq;		/* sequence number of its first byte */
	ev_u32 head_bytes;	/* of the call's beginning, or (EV_F_ENDING) its end, that follow this struct */
	ev_u64 call_bytes;	/* that the call hands over */
};

struct ev_flush {
	struct ev_header header;
	ev_u64 first_enter_ns;	/* its first send call was entered */
	ev_u64 enter_ns;	/* its last send call was entered: equal where it is one call */
	ev_u64 exit_ns;		/* its last send call returned */
	ev_u64 queue_ns;	/* TCP handed its last byte to IP */
	ev_u64 xmit_ns;		/* the device was asked to start with its last byte */
	ev_u64 ack_ns;		/* the peer's ACK of its last byte was processed */
	ev_u64 send_ns;		/* time inside its send calls that was not spent waiting for memory */
	ev_u64 blocked_ns;	/* time since the previous flush's return that a writer waited for room */
	ev_u64 driver_ns;	/* the driver returned from the packet with its last byte */
	ev_u32 seq_start;	/* sequence number of its first byte */
	ev_u32 seq_end;		/* one past its last byte */
	ev_u32 writes;		/* send calls in it */
	ev_u32 queued_bytes;	/* sk_wmem_queued when it returned */
	ev_u32 unsent_bytes;	/* write_seq - snd_nxt when it returned */
	ev_u32 unacked_bytes;	/* snd_nxt - snd_una when it returned */
	ev_u32 sndbuf_bytes;	/* sk_sndbuf when it returned */
	ev_u32 srtt_us;		/* smoothed round trip at its ACK, microseconds */
	ev_u32 retransmits;	/* segments this connection has retransmitted so far (tcp_sock.total_retrans) */
	ev_u32 rwnd_limited_jiffies;	/* tcp_sock.chrono_stat at its ACK, running part included */
	ev_u32 sndbuf_limited_jiffies;
	ev_u32 rwnd_before_jiffies;	/* the first of the two when its first send call was entered */
	ev_u32 cwnd;		/* segments, at its ACK */
	ev_u32 snd_wnd;		/* the peer's window at its ACK, bytes */
	ev_u32 pid;		/* process that called send (tgid) */
	ev_u32 untold_bytes;	/* of the request, read before this flush, beyond those of the EV_READ records */
	ev_u8 tail[EV_TAIL_BYTES];	/* its last bytes, right-aligned */
};

struct ev_state {
	struct ev_header header;
	ev_u32 old_state;	/* TCP_ESTABLISHED 1 ... as in include/net/tcp_states.h */
	ev_u32 new_state;
	ev_u32 error;		/* sk_err: errno of what ended it, 0 if none */
	ev_u32 unacked_bytes;	/* write_seq - snd_una: what the peer never acknowledged */
};

/* Of a socket that holds bytes or whose writer waits, at header.at_ns. */
struct ev_sample {
	struct ev_header header;
	ev_u64 oldest_unsent_ns;	/* how long its oldest unsent byte has waited; 0: nothing is unsent */
	ev_u64 blocked_ns;	/* how long a writer has waited for room; 0: none waits */
	ev_u32 queued_bytes;	/* sk_wmem_queued */
	ev_u32 unsent_bytes;	/* write_seq - snd_nxt */
	ev_u32 unacked_bytes;	/* snd_nxt - snd_una */
	ev_u32 sndbuf_bytes;	/* sk_sndbuf */
	ev_u32 snd_wnd;		/* the peer's window, bytes */
	ev_u32 cwnd;		/* segments */
	ev_u32 srtt_us;		/* smoothed round trip, microseconds */
	ev_u32 retransmits;	/* tcp_sock.total_retrans */
	ev_u32 rwnd_limited_jiffies;	/* tcp_sock.chrono_stat, running part included */
	ev_u32 sndbuf_limited_jiffies;
	ev_u32 acked_seq;	/* snd_una; records of 0.1.0's first days end before it */
	ev_u32 pad;
};

/*
 * A connection that no process has accepted, or bytes of the client that nobody reads, at socket.header.at_ns. Where no process
 * used the connection yet, the process is that of its listener; pid 0: not known, or no target.
 */
struct ev_waiting {
	struct ev_socket socket;	/* header.kind EV_WAITING */
	ev_u64 since_ns;		/* it was established, or nothing has been read since, and something is there to read */
	ev_u32 unread_bytes;		/* of the client's, that nobody has read */
	ev_u32 pad;
};

/* header.socket is 0, header.at_ns the end of the round. */
struct ev_round {
	struct ev_header header;
	ev_u64 begin_ns;	/* no sample of it is older */
};

/* What a run traces. Empty lists allow everything. */
struct ev_target {
	ev_u32 port_count;
	ev_u32 pid_count;
	ev_u32 comm_count;
	ev_u32 cgroup_count;
	ev_u16 ports[EV_FILTERS];	/* local ports, host byte order */
	ev_u32 pids[EV_FILTERS];
	ev_u8 comms[EV_FILTERS][16];
	ev_u64 cgroups[EV_FILTERS];	/* cgroup v2 ids */
	ev_u32 cgroup_levels[EV_FILTERS];	/* depth of each below the root */
};

/* The target changes while the programs run: the copy that is not chosen is written, then `chosen` is counted up. */
#define EV_TARGETS 2u
struct ev_targets {
	struct ev_target copies[EV_TARGETS];
	ev_u32 chosen;	/* number of the target: copies[chosen % EV_TARGETS] is in force */
	ev_u32 pad;
};

/* Written before the programs are loaded. */
struct ev_settings {
	ev_u32 socket_limit;	/* connections that are followed at once */
	ev_u32 hooks;		/* EV_HOOK_* of the programs that are attached too */
};

/* ev_settings.hooks */
#define EV_HOOK_WAIT (1u << 0)		/* when a writer waits for memory */
#define EV_HOOK_HAND_OVER (1u << 1)	/* TCP's hand-over to IP */
#define EV_HOOK_ACK (1u << 2)		/* the ACKs of every state */
#define EV_HOOK_DRIVER (1u << 3)	/* the driver's return */
#define EV_HOOK_SPARES (1u << 4)	/* a second copy of each, for what the first is skipped at */
#define EV_HOOK_HOLD (1u << 5)		/* no hook: programs are preempted, and can hold that off for a moment */

/*
 * Per CPU. made[k] == delivered to the ring + lost[k], for every kind; `tailrace` prints both sides.
 */
struct ev_counters {
	ev_u64 made[EV_KINDS];		/* records that were due */
	ev_u64 lost[EV_KINDS];		/* of them that the ring refused */
	ev_u64 untracked;		/* accepted connections beyond the limit, or for which there was no memory */
	ev_u64 merged;			/* send calls that shared a record */
	ev_u64 heads_unread;		/* heads that could not be read */
	ev_u64 ignored;			/* accepted connections of processes that are not a target */
	ev_u64 adopted;			/* connections that were open before tracing began */
	ev_u64 untracked_mptcp;		/* accepted subflows of MPTCP: their bytes do not come through TCP's send call */
};

/* Kernel functions whose time is measured where that is asked for: the key of the map `function_times`. */
enum ev_function {
	EV_TCP_SENDMSG = 0,
	EV_TCP_WRITE_XMIT = 1,
	EV_TCP_TRANSMIT_SKB = 2,	/* __tcp_transmit_skb */
	EV_IP_QUEUE_XMIT = 3,		/* __ip_queue_xmit */
	EV_INET6_CSK_XMIT = 4,
	EV_DEV_HARD_START_XMIT = 5,
	EV_TCP_ACK = 6,
	EV_SK_STREAM_WAIT_MEMORY = 7,
	EV_FUNCTIONS = 8,
};

/* LogLinear.buckets in Sources/TailraceModel/Histogram.swift */
#define EV_BUCKETS 400u

/* Per CPU: the calls of one function for traced sockets that returned. */
struct ev_function_times {
	ev_u64 count;
	ev_u64 total_ns;	/* between entry and return, interruptions included */
	ev_u64 max_ns;
	ev_u64 buckets[EV_BUCKETS];	/* calls by their time: ev_bucket() */
};

/* The log-linear bucket of a time: LogLinear.bucket(of:) says what it means, and a test that both agree. */
static inline ev_u32 ev_bucket(ev_u64 value)
{
	ev_u32 octave = 0, index;
	ev_u64 rest = value;

	if (value < 8)
		return (ev_u32)value;
	for (ev_u32 step = 32; step; step /= 2) {
		if (rest >> step) {
			rest >>= step;
			octave += step;
		}
	}
	index = ((octave - 2) << 3) + ((value >> (octave - 3)) & 7);
	return index < EV_BUCKETS ? index : EV_BUCKETS - 1;
}

#ifndef __cplusplus
_Static_assert(sizeof(struct ev_header) == 24, "ev_header");
_Static_assert(sizeof(struct ev_socket) == 24 + 40 + 48, "ev_socket");
_Static_assert(sizeof(struct ev_waiting) == sizeof(struct ev_socket) + 16, "ev_waiting");
_Static_assert(sizeof(struct ev_read) == 24 + 24, "ev_read");
_Static_assert(sizeof(struct ev_flush) == 24 + 72 + 64 + 8, "ev_flush");
_Static_assert(sizeof(struct ev_head) == 24 + 16, "ev_head");
_Static_assert(sizeof(struct ev_sample) == 24 + 16 + 48, "ev_sample");
_Static_assert(sizeof(struct ev_target) == 16 + 6 * EV_FILTERS + 28 * EV_FILTERS, "ev_target");
_Static_assert(sizeof(struct ev_round) == 24 + 8, "ev_round");
_Static_assert(sizeof(struct ev_state) == 24 + 16, "ev_state");
#endif

#endif
