/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the programs keep for a traced socket, the ring to the daemon, and the counters of what went into it. */
#ifndef TAILRACE_STATE_BPF_H
#define TAILRACE_STATE_BPF_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "events.h"

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))

/* The twin with empty programs tells what the hooks cost by themselves: `make bench` subtracts it. */
#ifdef TAILRACE_EMPTY
#define PROBE_BODY(work) return 0
#else
#define PROBE_BODY(work) do { work; return 0; } while (0)
#endif

/* Sequence numbers are compared modulo 2^32: include/net/tcp.h before(), after(). */
static __always_inline bool seq_reached(__u32 position, __u32 target)
{
	return (__s32)(position - target) >= 0;
}

/*
 * A length that the compiler must not reason about, cut to `most`: the verifier wants to see the comparison itself, and (before
 * Linux 6.3) that no copy from before it is used behind it.
 */
#define BOUNDED(length, most) ({				\
	__u64 bounded_ = (length);				\
	asm volatile("" : "+r"(bounded_));			\
	if (bounded_ > (most))					\
		bounded_ = (most);				\
	asm volatile("" : "+r"(bounded_));			\
	bounded_;						\
})

/*
 * The verifier walks through such a function once for each program, and not once for each way that leads to it. In turn it
 * takes nothing for granted about what it is given.
 */
#define VERIFIED_ALONE __attribute__((noinline))

/* socket_state.call_thread while that thread ends its call, outside the socket lock; no thread has this id */
#define CALL_ENDING (~0u)

/* flush_slot.flags, beside the EV_F_* that go into the record */
#define SLOT_DONE (1u << 31)	/* its send call returned */

struct flush_slot {
	__u64 first_enter_ns;
	__u64 enter_ns;
	__u64 exit_ns;
	__u64 queue_ns;
	__u64 xmit_ns;
	__u64 send_ns;
	__u64 blocked_ns;
	__u64 tail;
	__u64 driver_ns;
	__u32 seq_start;
	__u32 seq_end;
	__u32 writes;
	__u32 flags;
	__u32 queued_bytes;
	__u32 unsent_bytes;
	__u32 unacked_bytes;
	__u32 rwnd_before_jiffies;
	__u64 late_ack_ns;	/* the transmit path found it acknowledged; 0: it did not */
	__u32 pid;
	__u32 untold_bytes;
};

/*
 * The first 64 bytes are what the transmit path and the ACK touch; the call in progress follows, then the outstanding
 * flushes. Who writes what: `call_*` the thread in `call_thread`; `xmit_*`, `loopback`, `paced` the device layer; `acked_*`
 * and `readable_*` whoever holds the socket lock; `first` the holder of `draining`. Flags are bytes of their own, so that
 * two writers never share a word. With function hooks all of it is written under the socket lock, but for what the device
 * layer writes, and for `entered_*`, which belong to whoever waits for that lock.
 */
struct socket_state {
	__u32 draining;		/* 0 free; else how often the drain was asked for */
	__u32 first;		/* number of the oldest outstanding flush; its slot is that modulo EV_FLUSH_SLOTS */
	__u32 next;		/* number of the flush to come */
	__u32 unstamped;	/* number of the first that was not transmitted whole */
	__u32 acked_seq;
	__u32 xmit_seq;		/* end of what was transmitted so far */
	__u8 ignored;		/* its process is not a target, or it is closed */
	__u8 loopback;		/* what it sent left through the loopback device */
	__u8 paced;		/* the device queue paces it (sch_fq) */
	__u8 unaccepted;	/* readable_ns fell before the connection was accepted */
	__u8 after_read;	/* request bytes were read since the last flush was begun */
	__u8 want_head;		/* send calls whose beginning is still to be read for the response's head */
	__u8 reads;		/* EV_READ made since the last send */
	__u8 call_tail_known;
	__u8 begins_head;	/* EV_HEAD was made for the call in progress */
	__u8 adopted;		/* it was open before tracing began */
	__u8 held;		/* closed, and its descriptor is not: only looked at from then on */
	__u8 pads[3];
	__u16 port;		/* local: a closed socket has given its own back */
	__u64 acked_ns;
	__u64 xmit_queue_ns;
	__u64 xmit_ns;
	__u64 readable_ns;
	__u64 read_ns;		/* bytes were read last */
	__u64 looked_ns;	/* when a look met it last, or it was established */
	__u64 unread_ns;	/* since when looks have found the same bytes unread; 0: the last one found none */
	__u32 unread_seq;	/* tcp_sock.copied_seq then */
	__u32 untold_reads;	/* bytes went without a read that was told (splice): readable_ns means nothing until one is */
	/* the send call in progress */
	__u64 call_ns;
	__u64 call_blocked_ns;
	__u64 waiting_ns;	/* when it found no room; 0: it does not wait */
	__u64 switches;		/* voluntary context switches of the caller at waiting_ns */
	__u64 refused_ns;	/* since when a non-blocking writer has been without room; 0: it is not */
	__u64 call_tail;	/* the last bytes of the call in progress, where they could be read */
	__u32 call_seq;
	__u32 call_bytes;
	__u32 call_thread;	/* 0: there is none; or CALL_ENDING */
	__u32 call_told;	/* bytes of it that an earlier flush told */
	__u32 parked;		/* calls that gave the socket to others: writers.bpf.c */
	__u32 uncounted;	/* calls whose bytes lie before those of the next flush, because none was begun for them */
	__u32 owner_pid;	/* of the last EV_SOCKET */
	__u32 untold_bytes;	/* of the request, read and not told by an EV_READ */
	__u32 tail_seq;	/* sequence number behind the bytes of call_tail */
	__u32 lost;		/* records of it were lost since the last that was told */
	__u64 established_ns;
	__u64 cookie;		/* minted at ESTABLISHED: the verifier allows it there, and not on the transmit path */
	/* function hooks only */
	__u64 handed_ns;	/* TCP handed what ends at handed_seq to IP; 0: nothing yet */
	__u32 handed_seq;
	__u32 unhanded;		/* number of the first flush that was not handed over whole */
	__u64 entered_ns;	/* a thread entered the send call, and may wait for the socket lock */
	__u32 entered_by;	/* that thread; 0: it has the lock */
	/* spare programs only: what was told, so that it is told once */
	__u32 told_read;	/* tcp_sock.copied_seq behind it */
	__u32 told_state;	/* TCP state */
	__u32 judged;		/* number of the newest target that it was found to match */
	struct flush_slot slots[EV_FLUSH_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_state);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ev_counters);
} counters SEC(".maps");

const volatile struct ev_settings settings = {};

/* Beside the other globals, because the daemon writes it while the programs run. */
struct ev_targets targets SEC(".data.targets") = {};

/* Connections that are followed now. */
__u32 followed;

/* What a storage begins as: every hook passes it by until all of it is set. */
struct socket_state unready = { .ignored = 1 };

static __always_inline struct ev_counters *count(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&counters, &key);
}

/* Whole: between a plain read and its write, another program of the same CPU (a softirq, a task that preempts) may count too. */
static __always_inline void add_one(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/* Room for one record in the ring, counted either way. The caller fills it and calls submit(). */
static __always_inline void *reserve(struct socket_state *state, enum ev_kind kind, __u64 size)
{
	struct ev_counters *counter = count();
	void *record = bpf_ringbuf_reserve(&events, size, 0);

	if (counter)
		add_one(&counter->made[kind]);
	if (record)	/* asked once: before Linux 6.2 the verifier does not see that a record cannot be NULL twice */
		return record;
	WRITE_ONCE(state->lost, 1);
	if (counter)
		add_one(&counter->lost[kind]);
	return NULL;
}

/* No record wakes the daemon: it drains on a timer (a wake-up costs thirty times the record). */
static __always_inline void submit(void *record)
{
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

static __always_inline void fill_header(struct ev_header *header, struct socket_state *state, enum ev_kind kind, __u32 size,
					__u32 flags, __u64 now)
{
	if (READ_ONCE(state->lost)) {
		flags |= EV_F_LOST_BEFORE;
		/* Told once, to a daemon that knows the socket; a look at it from outside the ring tells it beside. */
		if (state->owner_pid && kind != EV_SAMPLE && kind != EV_WAITING && !(flags & EV_F_OUTSTANDING))
			__sync_lock_test_and_set(&state->lost, 0);
	}
	header->at_ns = now;
	header->socket = state->cookie;
	header->kind = kind;
	header->size = size;
	header->flags = flags;
}

/* The state of a traced socket, or NULL: first whether it has any storage, which costs a load. */
static __always_inline struct socket_state *traced(struct sock *sk)
{
	struct socket_state *state;

	if (!sk->sk_bpf_storage)
		return NULL;
	state = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (!state || state->ignored)
		return NULL;
	return state;
}

#endif
